"""What the bundled model is trained on: sources of permissive licence, cleaned and with spans marked.

`commands.train_data` is the start: each package of `packages.toml` is fetched, read, filtered, marked
(`packages`: a package finished is a file finished); then copies and benchmarks are taken out and the
shards written (`assembly`). Nothing here knows tokens or tensors.
"""
