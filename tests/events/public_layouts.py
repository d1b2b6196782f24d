"""Small made-up files in the exact layouts of public logs, one per preset."""

from __future__ import annotations

import json
from collections.abc import Sequence

XML = '<?xml version="1.0" encoding="utf-8"?>\n'


def lines(rows: Sequence[object]) -> str:
    """Return JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


# Preset -> file name -> text.
FILES: dict[str, dict[str, str]] = {
    "retailrocket": {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433224214164,992329,addtocart,248676,\n"
        "1433222276276,599528,transaction,356475,4000\n"
    },
    "rees46": {
        "2019-Oct.csv": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde\n"
        "2019-10-01 00:02:14 UTC,purchase,1004856,2053013555631882655,electronics.smartphone,samsung,130.76,543272936,"
        "8187d148\n"
    },
    "taobao-userbehavior": {
        "UserBehavior.csv": "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,pv,1511561733\n"
        "100,2971043,4869428,buy,1511618031\n"
    },
    "online-retail": {
        "Online Retail.csv": "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
        "C536379,85123A,WHITE HANGING HEART,-1,2010-12-01 09:41:00,2.55,17850.0,United Kingdom\n"
        "536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom\n"
    },
    "movielens": {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,3.5,1147868817\n",
        "movies.csv": 'movieId,title,genres\n296,Pulp Fiction (1994),Comedy|Crime\n1,"Toy, The (1995)",Children\n',
        "README.txt": "Summary\n",
    },
    "instacart": {
        "orders.csv": "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order\n"
        "2539329,1,prior,1,2,08,\n2398795,1,prior,2,3,07,15.0\n473747,1,prior,3,3,12,21.0\n",
        "order_products__prior.csv": "order_id,product_id,add_to_cart_order,reordered\n"
        "2539329,196,1,0\n2398795,196,1,1\n2398795,10258,2,0\n473747,196,1,1\n",
        "products.csv": "product_id,product_name,aisle_id,department_id\n196,Soda,77,7\n",
    },
    "yoochoose": {
        "yoochoose-clicks.dat": "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,0\n",
        "yoochoose-buys.dat": "1,2014-04-07T10:59:00.000Z,214536500,12462,2\n",
    },
    "kuairand": {
        "log_standard_4_08_to_4_21_pure.csv": "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,"
        "is_comment,is_forward,is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,"
        "is_profile_enter,is_rand,tab\n"
        "0,3784,20220411,700,1649637000000,1,1,0,0,0,0,1,8000,9000,0,0,0,0,1\n"
        "0,1034,20220411,800,1649640600000,0,0,0,0,0,0,0,100,9000,0,0,0,0,1\n"
    },
    "hm": {
        "transactions_train.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2018-09-20,000058a1,0663713001,0.050830508474576264,2\n2018-09-20,000058a1,0663713001,0.050830508474576264,2\n",
        "articles.csv": "article_id,product_code,prod_name,product_type_name\n0663713001,0663713,Atlanta Push,Bra\n",
        "customers.csv": "customer_id,FN,Active,club_member_status,age\n000058a1,,,ACTIVE,49.0\n",
    },
    "amazon-reviews": {
        "All_Beauty.jsonl": lines(
            [
                {"rating": 5.0, "title": "Good", "text": "such a lovely scent", "images": [], "asin": "B00YQ6X8EO",
                 "parent_asin": "B00YQ6X8EO", "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ", "timestamp": 1588687728923,
                 "helpful_vote": 0, "verified_purchase": True},
                {"reviewerID": "A1V6B6TNIC10QE", "asin": "0143026860", "overall": 1.0, "unixReviewTime": 1424304000,
                 "verified": True},
            ]
        )
    },
    "stack-exchange": {
        "Posts.xml": XML + "<posts>\n"
        '  <row Id="1" PostTypeId="1" CreationDate="2010-07-19T19:12:12.510" Score="5" OwnerUserId="8" '
        'Title="Eliciting &lt;priors&gt;" Tags="&lt;bayesian&gt;" />\n'
        '  <row Id="3" PostTypeId="2" ParentId="1" CreationDate="2010-07-19T19:14:43.050" Score="9" '
        'OwnerUserId="24" />\n'
        '  <row Id="4" PostTypeId="2" ParentId="1" CreationDate="2010-07-19T20:14:43.050" Score="9" />\n'
        "</posts>\n",
        "Comments.xml": XML + "<comments>\n"
        '  <row Id="1" PostId="3" Score="2" Text="a &quot;b&quot;" '
        'CreationDate="2010-07-19T19:15:52.517" UserId="13" />\n'
        "</comments>\n",
        "Users.xml": XML + "<users>\n"
        '  <row Id="8" Reputation="101" CreationDate="2010-07-01T00:00:00.000" DisplayName="cs" />\n</users>\n',
    },
    "posthog": {
        "export.jsonl": lines(
            [
                {"uuid": "018f", "event": "$pageview", "distinct_id": "d1", "timestamp": "2024-05-01T10:00:00.123Z",
                 "properties": {"$current_url": "https://shop.test/tea", "$session_id": "s1", "$browser": "Firefox"}},
                {"uuid": "0190", "event": "purchase", "distinct_id": "d1", "timestamp": "2024-05-01T10:05:00Z",
                 "properties": {"product_id": "tea", "price": 3.5, "quantity": 2, "$session_id": "s1"}},
            ]
        )
    },
    "segment": {
        "track.jsonl": lines(
            [
                {"type": "page", "name": "Home", "anonymousId": "a1", "userId": None, "messageId": "m1",
                 "timestamp": "2024-05-01T10:00:00.000Z", "properties": {"path": "/"}, "context": {"ip": "1.2.3.4"}},
                {"type": "track", "event": "Order Completed", "userId": "u1", "anonymousId": "a1", "messageId": "m2",
                 "timestamp": "2024-05-01T10:05:00.000Z", "properties": {"order_id": "o1", "revenue": 25.0}},
            ]
        )
    },
    "amplitude": {
        "100001_2024-05-01_10#0.json": lines(
            [
                {"user_id": "u1", "device_id": "d1", "event_type": "Product Viewed",
                 "event_time": "2024-05-01 10:00:00.123000", "session_id": 1714557600000, "$insert_id": "i1",
                 "event_properties": {"product_id": "tea"}, "user_properties": {"plan": "pro"}},
                {"user_id": None, "device_id": "d2", "event_type": "revenue_amount",
                 "event_time": "2024-05-01 10:05:00.000000", "session_id": -1, "$insert_id": "i2",
                 "event_properties": {"$revenue": 9.99, "$quantity": 1}},
            ]
        )
    },
    "mixpanel": {
        "export.jsonl": lines(
            [
                {"event": "Signed Up", "properties": {"time": 1714557600, "distinct_id": "u1", "$insert_id": "i1",
                                                      "$browser": "Chrome"}},
                {"event": "Purchase", "properties": {"time": 1714557900, "distinct_id": "u1", "$insert_id": "i2",
                                                     "product_id": "tea", "price": 3.5}},
            ]
        )
    },
}  # fmt: skip

# Preset -> (user, time, event, item, value, quantity, session) of every event, in the order of time.
EXPECTED: dict[str, list[tuple[object, ...]]] = {
    "retailrocket": [
        ("257597", "2015-06-02T05:02:12.117000", "view", "355908", None, None, None),
        ("599528", "2015-06-02T05:17:56.276000", "purchase", "356475", None, None, "4000"),
        ("992329", "2015-06-02T05:50:14.164000", "add to cart", "248676", None, None, None),
    ],
    "rees46": [
        ("541312140", "2019-10-01T00:00:00", "view", "44600062", 35.79, None, "72d76fde"),
        ("543272936", "2019-10-01T00:02:14", "purchase", "1004856", 130.76, None, "8187d148"),
    ],
    "taobao-userbehavior": [
        ("1", "2017-11-24T17:21:10", "view", "2268318", None, None, None),
        ("1", "2017-11-24T22:15:33", "view", "2333346", None, None, None),
        ("100", "2017-11-25T13:53:51", "purchase", "2971043", None, None, None),
    ],
    "online-retail": [
        ("17850", "2010-12-01T08:26:00", "purchase", "85123A", 15.3, 6.0, "536365"),
        ("17850", "2010-12-01T09:41:00", "cancellation", "85123A", -2.55, 1.0, "C536379"),
    ],
    "movielens": [
        ("1", "2006-05-17T12:26:57", "rate", "306", 3.5, None, None),
        ("1", "2006-05-17T15:34:04", "rate", "296", 5.0, None, None),
    ],
    "instacart": [  # order 2 comes 15 days after day 0, order 3 another 21 days later
        ("1", "2000-01-01T08:00:00", "purchase", "196", None, None, "2539329"),
        ("1", "2000-01-16T07:00:00", "purchase", "10258", None, None, "2398795"),
        ("1", "2000-01-16T07:00:00", "purchase", "196", None, None, "2398795"),
        ("1", "2000-02-06T12:00:00", "purchase", "196", None, None, "473747"),
    ],
    "yoochoose": [
        ("1", "2014-04-07T10:51:09.277000", "click", "214536502", None, None, "1"),
        ("1", "2014-04-07T10:54:09.868000", "click", "214536500", None, None, "1"),
        ("1", "2014-04-07T10:59:00", "purchase", "214536500", 2 * 12462.0, 2.0, "1"),
    ],
    "kuairand": [
        ("0", "2022-04-11T00:30:00", "click", "3784", None, None, None),
        ("0", "2022-04-11T00:30:00", "impression", "3784", None, None, None),
        ("0", "2022-04-11T00:30:00", "like", "3784", None, None, None),
        ("0", "2022-04-11T00:30:00", "long view", "3784", None, None, None),
        ("0", "2022-04-11T01:30:00", "impression", "1034", None, None, None),
    ],
    "hm": [("000058a1", "2018-09-20T00:00:00", "purchase", "0663713001", 0.050830508474576264, None, None)] * 2,
    "amazon-reviews": [
        ("A1V6B6TNIC10QE", "2015-02-19T00:00:00", "review", "0143026860", 1.0, None, None),
        ("AGKHLEW2SOWHNMFQIJGBECAF7INQ", "2020-05-05T14:08:48.923000", "review", "B00YQ6X8EO", 5.0, None, None),
    ],
    "stack-exchange": [
        ("8", "2010-07-19T19:12:12.510000", "question", "1", 5.0, None, None),
        ("24", "2010-07-19T19:14:43.050000", "answer", "1", 9.0, None, None),
        ("13", "2010-07-19T19:15:52.517000", "comment", "3", 2.0, None, None),
    ],
    "posthog": [
        ("d1", "2024-05-01T10:00:00.123000", "page view", "https://shop.test/tea", None, None, "s1"),
        ("d1", "2024-05-01T10:05:00", "purchase", "tea", 3.5, 2.0, "s1"),
    ],
    "segment": [
        ("a1", "2024-05-01T10:00:00", "Home", "/", None, None, None),
        ("u1", "2024-05-01T10:05:00", "Order Completed", None, 25.0, None, "o1"),
    ],
    "amplitude": [
        ("u1", "2024-05-01T10:00:00.123000", "Product Viewed", "tea", None, None, "1714557600000"),
        ("d2", "2024-05-01T10:05:00", "revenue_amount", None, 9.99, 1.0, "-1"),
    ],
    "mixpanel": [
        ("u1", "2024-05-01T10:00:00", "Signed Up", None, None, None, None),
        ("u1", "2024-05-01T10:05:00", "Purchase", "tea", 3.5, None, None),
    ],
}
