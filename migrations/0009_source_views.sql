-- Views through which the application's tables are read, as they were installed: caas.restore makes them again after a
-- migration of the application's.
create table caas.source_views (
    name text not null,
    definition text not null,
    grants text[] not null default '{}',
    constraint source_views_are_named primary key (name)
);

comment on table caas.source_views is 'Source views as installed: see caas.release and caas.restore.';
comment on column caas.source_views.name is 'The view.';
comment on column caas.source_views.definition is 'The statements that make it.';
comment on column caas.source_views.grants is 'The grants that it had when it was released.';
