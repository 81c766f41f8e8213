package cache

import (
	"errors"
	"fmt"
	"io/fs"
)

// What a file operation can be refused for, beside the errors of package
// remote.
var (
	ErrNotEmpty    = errors.New("directory not empty")
	ErrNotDir      = errors.New("not a directory")
	ErrIsDir       = errors.New("is a directory")
	ErrNameTooLong = errors.New("object key longer than 1023 bytes")
	ErrBadName     = errors.New("name is not valid UTF-8")
	ErrStageFull   = errors.New("no space left for staged writes")
	ErrStage       = errors.New("stage directory") // the local disk failed; wraps its error
	ErrMoved       = fmt.Errorf("a directory above was renamed or removed meanwhile: %w", fs.ErrNotExist)
	ErrReadOnly    = errors.New("mounted read-only")
	ErrNoFileHere  = errors.New("files are in buckets: make a directory for a new bucket")
	ErrKeepBuckets = errors.New("mounted with --no-bucket-changes")
	ErrOtherBucket = errors.New("another bucket")
	ErrBusy        = errors.New("open in a program")
	ErrMarkerFile  = errors.New("its key ends in a slash: it can be read, removed and renamed, but not written to")
	ErrPartOfNames = errors.New("it only stands for the beginning of long names")

	// ErrCopyLimit: the service copies objects of at most 5 GiB, so that a
	// larger one can only be renamed by reading and writing it.
	ErrCopyLimit = errors.New("object is larger than the service copies")

	// ErrRenameLimit: the rename of a directory would copy too many objects.
	ErrRenameLimit = errors.New("the directory has more objects than --rename-limit allows to rename at once")
)

// HeldError says that another process uses the stage directory of a source.
type HeldError struct {
	PID        int
	IsDraining bool // its mount is gone, and it uploads what is left
}

func (e *HeldError) Error() string {
	if e.IsDraining {
		return fmt.Sprintf("process %d still uploads what an earlier mount of this source has left", e.PID)
	}
	return fmt.Sprintf("process %d has this source mounted and uses it: unmount that one, or choose another --stage-dir", e.PID)
}
