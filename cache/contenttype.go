package cache

import (
	"cmp"
	"mime"
	"path"

	"ncloudfs/remote"
)

const (
	// markerType is the content type of a directory's marker, as NAVER's
	// console writes it.
	markerType = "application/x-directory"

	// defaultType is that of a file whose name tells none.
	defaultType = "application/octet-stream"
)

// typeByName guesses a content type from a key's extension, so that what is
// served to browsers straight from the bucket is shown, not downloaded.
func typeByName(key string) string {
	return cmp.Or(mime.TypeByExtension(path.Ext(key)), defaultType)
}

// retype returns the content type of a copy of o under another name: a type
// that was only guessed from the old name is guessed anew, since many programs
// write to a temporary name first.
func retype(o remote.Object, to remote.Path) string {
	if !o.HasMeta || o.ContentType != typeByName(o.Path.Key) {
		return o.ContentType
	}
	return typeByName(to.Key)
}
