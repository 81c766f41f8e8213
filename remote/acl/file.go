package acl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
)

// Files is a target by path in a mount, whose attributes the ACLs are. Its names
// are paths.
type Files struct {
	Path    string
	Below   string // the same path, below the mount point
	Buckets int    // how deep in the mount names are still buckets, of which one name each must say it: 0, 1 or, of all of an account, 2
}

const attribute = "user.ncloud.acl"

// maxText is the largest value of an extended attribute (Linux: XATTR_SIZE_MAX).
const maxText = 64 << 10

func (f Files) root() string { return f.Path }

func (f Files) get(_ context.Context, name string) (string, error) {
	value := make([]byte, maxText)
	n, err := unix.Getxattr(name, attribute, value)
	if err != nil {
		return "", explain("get", name, err)
	}
	return string(value[:n]), nil
}

func (f Files) set(_ context.Context, name string, a *remote.ACL) error {
	text := []byte(a.Text())
	attr := attribute
	if a.Owner.ID != "" { // it is exact then
		var err error
		if text, err = a.XML(); err != nil {
			return err
		}
		attr += ".xml"
	}
	if err := unix.Setxattr(name, attr, text, 0); err != nil {
		return explain("set", name, err)
	}
	return nil
}

// explain says what the errno of an attribute means.
func explain(op, name string, err error) error {
	what := ""
	switch {
	case errors.Is(err, unix.ENODATA):
		err, what = errNone, ": it is a directory without a marker"
	case errors.Is(err, unix.EOPNOTSUPP):
		what = ": the service has no ACLs"
	case errors.Is(err, unix.EACCES):
		what = ": the keys of the mount, or the mode of the file, do not allow it"
	case errors.Is(err, unix.EINVAL):
		what = ": there is no such grantee, or the service does not take this ACL"
	}
	return fmt.Errorf("%s the ACL of %s: %w%s", op, name, err, what)
}

// errNone: there is nothing that could have an ACL.
var errNone = errors.New("there is none")

// all are the file or directory and all below it, but for buckets, whose ACLs mean
// something else, and what cannot have attributes in Linux: symbolic links and
// special files.
func (f Files) all(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := filepath.WalkDir(f.Path, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case !d.IsDir() && !d.Type().IsRegular(), f.isBucket(path):
				return nil
			case !yield(path, nil):
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield("", err)
		}
	}
}

func (f Files) isBucket(path string) bool {
	inside, err := filepath.Rel(f.Path, path)
	if err != nil {
		return false
	}
	depth := 0
	if name := filepath.Join(f.Below, inside); name != "." {
		depth = strings.Count(name, "/") + 1
	}
	return depth < f.Buckets
}
