-- anon: nothing. authenticated: rows of accounts whose owner they are, to read. service_role: all.
-- Supabase grants every new table of `public` to all three; what is not meant is taken back first.

do $$
declare
    name text;
begin
    foreach name in array array[
        'accounts', 'bot_status', 'trades', 'open_positions', 'position_events', 'news_events',
        'account_snapshots', 'model_metrics'
    ] loop
        execute format('revoke all on public.%I from public, anon, authenticated', name);
        execute format('grant select on public.%I to authenticated', name);
        execute format('grant select, insert, update, delete on public.%I to service_role', name);
        execute format('alter table public.%I enable row level security', name);
        execute format(
            'create policy service_all on public.%I for all to service_role '
            'using (true) with check (true)', name
        );
        if name <> 'accounts' then
            execute format(
                'create policy owner_reads on public.%I for select to authenticated '
                'using (account_id in (select a.id from public.accounts a '
                'where a.owner = (select auth.uid())))', name
            );
        end if;
    end loop;
end
$$;

create policy owner_reads on public.accounts for select to authenticated
    using (owner = (select auth.uid()));

-- Pages that listen for changes; the publication exists on Supabase alone.
do $$
begin
    if exists (select from pg_publication where pubname = 'supabase_realtime') then
        alter publication supabase_realtime add table
            public.trades, public.account_snapshots, public.position_events,
            public.open_positions, public.bot_status;
    end if;
end
$$;
