-- Who may see what hangs on this table: every other row belongs to an account, every account to a
-- user or to nobody yet.

create table public.accounts (
    id text primary key check (id <> ''),
    owner uuid references auth.users (id) on delete set null,
    login bigint not null,
    server text not null,
    mode text not null check (mode in ('demo', 'contest', 'real')),
    currency text not null,
    created_at timestamptz not null default now()
);
create index accounts_by_owner on public.accounts (owner);
comment on column public.accounts.id is 'login@server; of a paper run with /NUMBER behind it';
comment on column public.accounts.owner is 'the user who may read it; null: nobody but the service';
