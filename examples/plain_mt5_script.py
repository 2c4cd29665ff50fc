"""A plain trading script, written for the real MetaTrader5 package and nothing else.

With the simulated package it trades on Linux, without an account:

    PYTHONPATH=.:deploy/metatrader5-simulated NOVOSKY_SIM_SPEED=step \
        python examples/plain_mt5_script.py

It buys when the last closed bar lies above the mean of fifty, with stop and target, and closes by
hand what is still open some bars later.
"""

import sys
from datetime import UTC, datetime, timedelta

import MetaTrader5 as mt5

SYMBOL = "BTCUSD"
VOLUME = 0.05
MAGIC = 20260105
ROUNDS = 10
BARS_TO_WAIT = 6


def request(kind, price, **more):
    return {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": SYMBOL,
        "volume": VOLUME,
        "type": kind,
        "price": price,
        "deviation": 20,
        "magic": MAGIC,
        "comment": "plain script",
        "type_time": mt5.ORDER_TIME_GTC,
        "type_filling": mt5.ORDER_FILLING_IOC,
    } | more


def buy():
    tick, digits = mt5.symbol_info_tick(SYMBOL), mt5.symbol_info(SYMBOL).digits
    levels = {"sl": round(tick.ask * 0.99, digits), "tp": round(tick.ask * 1.01, digits)}
    return mt5.order_send(request(mt5.ORDER_TYPE_BUY, tick.ask, **levels))


def close(position):
    tick = mt5.symbol_info_tick(SYMBOL)
    return mt5.order_send(request(mt5.ORDER_TYPE_SELL, tick.bid, position=position.ticket))


def main():
    if not mt5.initialize():
        print("initialize failed:", mt5.last_error())
        return 1
    account = mt5.account_info()
    print(f"account {account.login} at {account.server}: {account.balance:.2f} {account.currency}")
    if not mt5.symbol_select(SYMBOL, True):
        print("no", SYMBOL, mt5.last_error())
        return 1

    for _ in range(ROUNDS):
        rates = mt5.copy_rates_from_pos(SYMBOL, mt5.TIMEFRAME_M15, 1, 50)
        if rates is None or rates["close"][-1] <= rates["close"].mean():
            continue
        sent = buy()
        if sent is None or sent.retcode != mt5.TRADE_RETCODE_DONE:
            print("not filled:", sent.comment if sent else mt5.last_error())
            continue
        print(f"bought {sent.volume} at {sent.price}")
        for _ in range(BARS_TO_WAIT):
            mt5.symbol_info_tick(SYMBOL)
        for position in mt5.positions_get(symbol=SYMBOL):
            result = close(position)
            print(f"closed {position.ticket}: {result.retcode} at {result.price}")

    begin = datetime(2000, 1, 1, tzinfo=UTC)
    deals = mt5.history_deals_get(begin, datetime.now(UTC) + timedelta(days=1))
    own = [deal for deal in deals if deal.magic == MAGIC]
    print(f"{len(own)} deals, {sum(d.profit + d.commission + d.swap for d in own):.2f} in all")
    mt5.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
