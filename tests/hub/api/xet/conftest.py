from tests.hub.xet.conftest import alice, bob, model, store_folder

__all__ = ["alice", "bob", "model", "store_folder"]
