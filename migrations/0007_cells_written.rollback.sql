alter table caas_recalculation_queue drop column cells_written;
