"""The account's days as the settings' guards need them: for the bot and the backtest alike."""

from trading.day_book import DayBook, PropAccount
from trading.decision.settings import DecisionSettings
from trading.trade_book import TradeBook


def day_book_of(book: TradeBook, settings: DecisionSettings) -> DayBook | None:
    """A day book over our trades; None where no guard of the account is on."""
    if not settings.guards_account:
        return None
    curve, rules = settings.equity_curve_filter, settings.prop_rules
    return DayBook(
        book,
        day_zone=settings.timezone,
        recent_trades=curve.lookback_trades if curve.enabled else 0,
        prop=PropAccount(rules.zone, settings.prop.initial_balance) if rules else None,
    )
