package fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"ncloudfs/remote"
)

// The object's ACL as extended attributes: a canned name or, where it has none,
// grants as JSON; and the whole AccessControlPolicy. They are not listed, so that
// programs which copy attributes do not publish files.
const (
	aclAttr    = userPrefix + "ncloud.acl"
	aclXMLAttr = userPrefix + "ncloud.acl.xml"
)

func isACLAttr(attr string) bool { return attr == aclAttr || attr == aclXMLAttr }

// getACL answers the node's ACL; ENODATA for a directory without a marker, whose
// ACL it would be, and for an account.
func (n *node) getACL(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	ctx, done := n.m.operation(ctx)
	defer done()
	name, _, errno := n.stat(ctx)
	if errno != 0 {
		return 0, errno
	}
	acl, err := n.m.cache.ACL(ctx, name)
	if n.IsDir() && errors.Is(err, fs.ErrNotExist) {
		return 0, syscall.ENODATA
	}
	value := []byte(nil)
	switch {
	case err != nil:
	case attr == aclXMLAttr:
		value, err = acl.XML()
	default:
		value = []byte(acl.Text())
	}
	if err != nil {
		return 0, n.m.report("getxattr", err)
	}
	return answer(dest, value)
}

// setACL gives the node's object an ACL. EINVAL for what the service does not
// document, with nothing sent; ENODATA for a directory without a marker.
func (n *node) setACL(ctx context.Context, value string) syscall.Errno {
	if n.m.readOnly {
		return syscall.EROFS
	}
	acl, err := remote.ParseACL(value)
	if err != nil {
		return n.m.report("setxattr", err)
	}
	ctx, done := n.m.operation(ctx)
	defer done()
	err = whileMoving(func() error {
		name, ok := n.name()
		if !ok {
			return fmt.Errorf("set ACL: %w", fs.ErrNotExist)
		}
		return n.m.mutate(ctx, func(ctx context.Context) error { return n.m.cache.SetACL(ctx, name, acl) })
	})
	if n.IsDir() && errors.Is(err, fs.ErrNotExist) {
		return syscall.ENODATA
	}
	return n.m.report("setxattr", err)
}
