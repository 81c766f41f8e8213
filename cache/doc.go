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
// version: Reader → window → Blocks → Tier, else ranged GET with If-Match. What
// came is offered to the Tier. A version that is whole and safe there can be
// read without us (Backing).
//
// # One write
//
// Stage.Open gives the Staged of a name: a local file and a map of which
// bytes of it are local and which still those of the base version. Commit
// plans the parts, sends them, and makes the result the new base. Those of a
// large new file are sent while it grows (ahead); the close sends what is left
// and what has changed since. A new file that is opened for nothing but writing
// is written by the kernel without us (direct): its size and time say that
// something was written, and sums of the parts what.
//
// # Write-back
//
// Staged.Commit returns when the bucket has the file. In write-back mode
// Staged.Save, which close and fsync wait for, returns when it is safe on the
// local disk: makeSafe has the bytes and a record of them synced; the record is
// a promise, which later records only amend until the bucket has what it
// describes. commitBehind does the rest. A renamed file is a Staged made of the
// object under its old name; a removed object is a removal, deleted in batches
// once nothing is made of it any more; the marker of a directory is a Staged
// whose name ends in "/".
//
// In sync mode attributes alone are promised like that, for attrsTime at most
// (deferred.go); a rename's copy takes them along. Such a record counts for this
// boot of the machine only: without an fsync it could come back, after a loss of
// power, when the bucket has newer ones.
//
// # After a crash
//
// The Journal remembers what the bucket lacks: each change of state of a Staged
// (open, ready, uploading, acl-pending, failed, conflict, done) or of a removal
// is a record, and what changes together is one frame of them. Open takes up
// what an earlier mount left (recover); such a late commit looks at the object
// first (comeLate), and what is another client's keeps its name (divert).
//
// # ACLs
//
// The service gives what it stores or copies its default ACL. Before each upload,
// copy and rename the ACL that is to be kept is read anew (readACL, begun when a
// file is opened for writing); a canned one goes with the request, grants follow it
// (giveACL), and stand in the journal before.
//
// # Attributes
//
// A listing carries no metadata. known has that of versions which were written or
// asked for, in memory and on disk (knownDisk); with Options.ExactAttrs Stat asks
// for what it lacks, and statWalk for what will be wanted next.
//
// # Lost answers
//
// A request without an answer may be carried out after a newer one. sends
// remembers for how long, and of which versions; what was stored or deleted
// meanwhile is looked at again then (watchBehind, removal.again).
//
// # Order
//
// Mutations of one key are carried out one at a time: each claims its keys
// (or, for a directory, its prefix) with gates.claim before it sends anything.
// A claim is a queue, not a mutex: waiting for it ends with the caller's
// context. No mutex is held across a network call.
//
// Lock order: Staged.mu < Stage.mu < directories.mu, and Staged.mu, Stage.mu,
// tierFile.mu < Tier.mu; the locks of Blocks, gates, removals, sends,
// statWalks, knownDisk and of the Journal are leaves.
package cache
