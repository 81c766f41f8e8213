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
// Only what the service documents as transient is sent again, and lost
// connections: with exponential backoff and jitter, no sooner than
// Retry-After, and no longer than Options.RetryTime in all. A body is always
// an io.ReaderAt, so that every attempt reads it from its start. When an
// attempt's answer was lost and sending again would not give the same result
// (completing an upload, making a bucket, a copy onto itself), the client
// looks at what is there and never assumes.
//
// # Timeouts
//
// Nothing limits how long a body takes that moves. What is limited is the time
// in which nothing moves: connecting, the wait for an answer, a body that
// stands still in either direction.
//
// # Requests
//
// Each operation is a call; Client.do builds, signs and sends its request,
// and takes in the answer, as often as it takes. minio-go provides the
// signature. Its client is not used: it cannot honour
// Retry-After, reports a copy that failed as a success, decodes a page in 15
// ms (here: 0.6), hashes every chunk with SHA-256 over plain HTTP, and cannot
// express names that are not UTF-8. Bodies are signed as UNSIGNED-PAYLOAD,
// with a Content-MD5 that is signed; small documents by their SHA-256.
package remote
