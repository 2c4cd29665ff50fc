-- What happened and what is open. Times are the broker's clock in UTC, money is in the account's
-- currency, volumes are lots. `id` counts in the order of arrival, which is that of the journal.

create table public.trades (
    id bigint generated always as identity primary key,
    account_id text not null references public.accounts (id) on delete cascade,
    deal_id bigint not null,
    position_id bigint not null,
    symbol text not null,
    side text not null check (side in ('buy', 'sell')),
    volume_lots numeric not null check (volume_lots > 0),
    price_open numeric not null,
    price_close numeric not null,
    sl numeric,
    tp numeric,
    net_profit numeric not null,
    close_type text not null,
    confidence double precision,
    opened_at timestamptz not null,
    closed_at timestamptz not null,
    unique (account_id, deal_id)
);
create index trades_by_close on public.trades (account_id, closed_at desc);
comment on column public.trades.deal_id is 'the deal that ended the trade';
comment on column public.trades.confidence is
    'calibrated probability of the traded side at the decision; null for a position that was found';

create table public.open_positions (
    account_id text not null references public.accounts (id) on delete cascade,
    position_id bigint not null,
    symbol text not null,
    side text not null check (side in ('buy', 'sell')),
    volume_lots numeric not null check (volume_lots > 0),
    price_open numeric not null,
    sl numeric,
    tp numeric,
    profit numeric not null default 0,
    swap numeric not null default 0,
    opened_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (account_id, position_id)
);
comment on table public.open_positions is
    'as of updated_at: each decided bar, and each opening, change of levels and end';

create table public.position_events (
    id bigint generated always as identity primary key,
    account_id text not null references public.accounts (id) on delete cascade,
    event_key text not null,
    position_id bigint not null,
    symbol text not null,
    event text not null check (event in ('opened', 'adopted', 'part', 'levels', 'closed')),
    happened_at timestamptz not null,
    side text check (side in ('buy', 'sell')),
    volume_lots numeric,
    price numeric,
    sl numeric,
    tp numeric,
    profit numeric,
    details jsonb not null default '{}',
    unique (account_id, symbol, event_key)
);
create index position_events_by_position on public.position_events (account_id, position_id);
create index position_events_by_time on public.position_events (account_id, happened_at desc);
