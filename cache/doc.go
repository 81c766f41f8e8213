// Package cache holds every local byte of a mount: what may be thrown away
// (attributes, listings, blocks) and what may not (staged writes until they
// are in the bucket). It turns file operations into requests of package
// remote and knows nothing of FUSE.
//
// # Names
//
// A Name is a path inside the mount, "" for its root. It maps to the key
// Prefix+Name; a directory is the key prefix Prefix+Name+"/", and perhaps a
// zero-byte marker object of that key.
//
// # One read
//
// Stat finds the object (directories, listing), Fetcher.Reader reads that one
// version: Reader → window → Blocks → ranged GET with If-Match.
//
// # One write
//
// Stage.Open gives the Staged of a name: a local file and a map of which
// bytes of it are local and which still those of the base version. Commit
// plans the parts, sends them, and makes the result the new base.
//
// # After a crash
//
// The Journal remembers what the bucket lacks: each change of state of a Staged
// (open, ready, uploading, failed, conflict, done) is a record. Open takes up
// what an earlier mount left; such a late commit looks at the object first.
//
// # Order
//
// Mutations of one key are carried out one at a time: each claims its keys
// (or, for a directory, its prefix) with gates.claim before it sends anything.
// A claim is a queue, not a mutex: waiting for it ends with the caller's
// context. No mutex is held across a network call.
//
// Lock order: Staged.mu < Stage.mu < directories.mu; the locks of Blocks, of
// gates and of the Journal are leaves.
package cache
