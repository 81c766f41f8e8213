package cache

import "ncloudfs/remote"

// Version identifies the content of one object: two reads of equal versions
// return equal bytes.
type Version struct {
	Path remote.Path
	ETag remote.ETag
	Size int64 // bytes
}
