drop table caas.source_views;
