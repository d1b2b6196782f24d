"""Why: SHAP values over events, features and stage."""
