"""A PostgreSQL of the product's own, for whoever has set no CAAS_DATABASE_URL.

`start` gives a hold on the server of one folder: the first hold starts it, the last one to go ends it, whichever way
its process went. Read in this order: server and starter (a user's side), messages (what the two sides tell each
other), supervisor and cluster (the other side), then folder, account, programs and locks (the ground).
"""

from caas_worker.embedded.folder import default_data_dir
from caas_worker.embedded.server import EmbeddedServer, start

__all__ = ["EmbeddedServer", "default_data_dir", "start"]
