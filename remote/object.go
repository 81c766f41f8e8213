package remote

import "time"

// ETag is an entity tag without its quotes: the hexadecimal MD5 of the body of
// a single PUT, or HEX-N for an object that was uploaded in N parts.
type ETag string

// Multipart reports whether the object was uploaded in parts, so that the
// ETag is not the MD5 of the body.
func (e ETag) Multipart() bool {
	for i := range len(e) {
		if e[i] == '-' {
			return true
		}
	}
	return false
}

// Meta is an object's user metadata: names without the x-amz-meta- prefix, in
// lower case, to values.
type Meta map[string]string

// Object is one version of one object as the service described it. It is
// immutable: Meta must not be changed.
type Object struct {
	Path    Path
	Size    int64 // bytes
	ETag    ETag
	ModTime time.Time // UTC; whole seconds from HEAD and GET, milliseconds from a listing; the server's Date header after a PUT

	// Meta and ContentType are known after HEAD, GET and our own PUT; a
	// listing does not carry them, and HasMeta is then false.
	Meta         Meta
	ContentType  string
	StorageClass string // empty is STANDARD
	HasMeta      bool
}
