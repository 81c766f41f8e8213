// Package remote is the object store as a few nouns: Client, Object, Path,
// Upload, ACL and Error.
//
// It speaks the S3 dialect that NAVER Cloud Object Storage documents: path
// style, Signature Version 4, List Objects V1, and no header, sub-resource or
// checksum trailer beyond it. It knows nothing of FUSE, of local files or of
// caching: every call is one request, or the documented sequence of them,
// with retries.
//
// # Errors
//
// Every failure is an *Error that carries the operation, the path, the
// service's code, the HTTP status and the request id. Callers decide with
// errors.Is (io/fs.ErrNotExist, io/fs.ErrPermission, io/fs.ErrExist,
// errors.ErrUnsupported, ErrChanged, ErrTooLarge) or by CodeOf, never by text.
//
// # Retries
//
// Only what the service documents as transient is sent again: with
// exponential backoff and jitter, no sooner than Retry-After, and no longer
// than Options.RetryTime in all. A body is always an io.ReaderAt, so that
// every attempt reads it from its start.
package remote
