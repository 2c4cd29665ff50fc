-- What the daemon knew: scheduled releases, and how well its models did.

create table public.news_events (
    id bigint generated always as identity primary key,
    account_id text not null references public.accounts (id) on delete cascade,
    released_at timestamptz not null,
    currency text not null,
    impact smallint not null check (impact between 0 and 3),
    title text not null,
    seen_at timestamptz not null,
    unique (account_id, released_at, currency, title)
);
comment on column public.news_events.impact is '0 none, 1 low, 2 medium, 3 high';
comment on column public.news_events.seen_at is
    'the close of the first decided bar that took it into account';

create table public.model_metrics (
    id bigint generated always as identity primary key,
    account_id text not null references public.accounts (id) on delete cascade,
    symbol text not null,
    model text not null,
    graph_sha256 text not null default '',
    measured_on date not null,
    measured_at timestamptz not null,
    metrics jsonb not null,
    unique (account_id, symbol, model, measured_on, graph_sha256)
);
create index model_metrics_by_day on public.model_metrics (account_id, measured_on desc);
comment on column public.model_metrics.measured_on is 'the local day of the settings'' time zone';
