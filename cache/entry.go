package cache

import (
	"time"

	"ncloudfs/remote"
)

// Kind says what a name is.
type Kind uint8

// The kinds of a name. A symbolic link or special file is a File whose Attr
// says so.
const (
	Absent Kind = iota
	File
	Dir
)

// Entry is what is known of a name.
type Entry struct {
	Kind    Kind
	Object  remote.Object // of a File its version; of a Dir its marker, as far as known
	Attr    Attr          // zero unless Known
	Known   bool          // the object's metadata is known, not only its line in a listing
	Staged  *Staged       // newer bytes of a File than Object, not nil while there are any
	Expires time.Time     // until when it may be believed
}

// versionOf returns the content identity of a file.
func versionOf(o remote.Object) Version {
	return Version{Path: o.Path, ETag: o.ETag, Size: o.Size}
}
