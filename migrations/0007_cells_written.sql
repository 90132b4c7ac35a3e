-- A crash of the server can undo the transaction that wrote a batch's cells and keep the claim before it. The entry
-- says whether both are there, so that nothing is published from cells as of before.

alter table caas_recalculation_queue add column cells_written boolean not null default false;

comment on column caas_recalculation_queue.cells_written is
    'The cells of this claim are written: set in the transaction that writes them, cleared by the next claim.';
