-- The account over time, and the daemon as it was last heard of.

create table public.account_snapshots (
    id bigint generated always as identity primary key,
    account_id text not null references public.accounts (id) on delete cascade,
    symbol text not null,
    created_at timestamptz not null,
    balance numeric not null,
    equity numeric not null,
    margin_free numeric not null,
    open_positions integer not null check (open_positions >= 0),
    p_buy double precision,
    p_sell double precision,
    p_hold double precision,
    denials jsonb not null default '[]',
    unique (account_id, symbol, created_at)
);
create index account_snapshots_by_time on public.account_snapshots (account_id, created_at desc);
comment on column public.account_snapshots.created_at is 'the close of the decided bar';
comment on column public.account_snapshots.denials is '[[rule, observed, limit]] of that decision';

create table public.bot_status (
    account_id text not null references public.accounts (id) on delete cascade,
    symbol text not null,
    phase text check (phase in ('trading', 'stopped', 'finished')),
    started_at timestamptz,
    stopped_at timestamptz,
    bar_closed_at timestamptz,
    balance numeric,
    equity numeric,
    margin_free numeric,
    open_positions integer,
    halts jsonb not null default '[]',
    denials jsonb not null default '[]',
    last_page text,
    last_page_open boolean,
    models jsonb not null default '{}',
    updated_at timestamptz not null,
    primary key (account_id, symbol)
);
comment on column public.bot_status.models is '{kind: SHA-256 of its graph}';
comment on column public.bot_status.halts is 'why nothing may be opened, in words';
