// Package emulator is an S3 server that follows NAVER Cloud Object Storage's
// documented API and nothing more. It serves `ncloudfs demo`, and tests that
// need a service which is strict, counts requests and fails on demand.
//
// It knows nothing of package remote: a client and a server that shared code
// would share mistakes.
//
// # What it offers
//
// List Buckets; PUT, HEAD and DELETE bucket; List Objects V1; List Multipart
// Uploads; ACL and CORS of buckets; PUT, Copy, GET, HEAD, DELETE and DELETE
// Multiple of objects; ACL of objects; OPTIONS; Initiate, Upload Part,
// Complete and Abort of multipart uploads. Path style, and virtual-host style
// below Options.Domain. Every error is a code of NAVER's table, as XML.
//
// # What it refuses
//
// List Objects V2, Upload Part Copy, List Parts, location, versions, tagging,
// policies and every other sub-resource of S3 are NotImplemented. Presigned
// addresses and checksum trailers are AccessDenied. Conditions of a PUT, like
// other headers that NAVER does not list, are ignored without a word. Canned
// ACLs beyond the four documented ones are InvalidArgument.
//
// Where the documentation is silent, these are choices: an overwritten object
// is private again; a copy takes at most 5 GiB; clocks may differ by 15
// minutes; bucket names follow S3's rules; a scope of another region is
// SignatureDoesNotMatch; GET ?cors without rules is NoSuchCORSConfiguration,
// which is not in NAVER's table; the ETag of a copy is its source's, also
// of one uploaded in parts; user metadata is limited to 2 KB of names
// (without x-amz-meta-) and values; a marker within a common prefix passes
// the whole prefix; a bucket with unfinished uploads and no objects can be
// deleted; who may not list a bucket gets AccessDenied for an absent key.
//
// # Signatures
//
// Signature Version 4 in the Authorization header, verified for the body too:
// by x-amz-content-sha256, or chunk by chunk for aws-chunked bodies
// (STREAMING-AWS4-HMAC-SHA256-PAYLOAD), or not at all for UNSIGNED-PAYLOAD.
// The canonical request is made from what was received, decoded and encoded
// again, so that a client need not send what it signed byte by byte:
//
//   - the path is encoded once, "/" kept, and never cleaned: "//" and ".."
//     are parts of keys;
//   - query parameters are encoded, then sorted by name and value; one
//     without "=" has an empty value, and "+" is a space;
//   - header values are trimmed, runs of white space become one space, and
//     values of one name are joined by commas;
//   - host and every x-amz- header must be signed.
//
// A request without Authorization is anonymous, and lives by ACLs.
//
// # In memory
//
// Without Options.Dir nothing touches the disk. Bodies go to memory as they
// arrive, outside of the Go heap, and are never copied: objects of a few GiB
// cost their size and no more, and those that Server.Generate puts cost nothing.
//
// # In a directory
//
//	lock                                  held by the server that uses it
//	tmp/                                  what is being written; emptied at the start
//	data/ab/abcdef...                     bytes of one PUT or part, never written again
//	buckets/NAME/bucket.json              owner, ACL, CORS
//	buckets/NAME/objects/ab/SHA256.json   one object: key, metadata, its data files in order
//	buckets/NAME/uploads/ID/upload.json   one unfinished upload
//	buckets/NAME/uploads/ID/part-N.json   one part: ETag, its data file
//
// Object records are named by the SHA-256 of the key, because keys are longer
// than file names may be and hold bytes that names may not. Everything is
// written below tmp and renamed into place, data before the record that names
// it: a server killed at any moment leaves the old version or the new one,
// and data files without a record go at the next start. Nothing is fsynced: a
// crash of the machine may lose the last writes. All records are read at the
// start and kept in memory; bytes are streamed, by sendfile where possible.
//
// # Faults
//
// Server.Faults takes rules: which requests (operation, bucket, key, each
// n-th, how many) and what happens to them: refused with a status and code,
// stalled before the header or within the body, cut, corrupted, answered 200
// with an error document, done but never answered, done seconds after the
// connection was lost, or delayed. Options.Latency and Options.Bandwidth hold
// for all requests. Server.Counts, Traffic and Log tell what came. Control is
// the same over HTTP, for tests in other processes.
//
// A service that is unwell throughout, with every tenth answer a SlowDown and
// every twentieth connection cut (Skip keeps the two apart):
//
//	{"every": 10, "effect": "refuse", "code": "SlowDown"}
//	{"every": 20, "skip": 5, "effect": "cut-half"}
//
// # Locks
//
// store.mu guards the index and is held while a record (not data) is written.
// Faults.mu and tally.mu are leaves. No lock is held while bytes of a body
// are read or written.
package emulator
