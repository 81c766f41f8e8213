package fs

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"ncloudfs/remote"
)

// aclAttr is the object's ACL as an extended attribute: one of the canned
// names. It is not listed, so that programs which copy attributes do not
// publish files.
const aclAttr = userPrefix + "ncloud.acl"

// cannedACLs are the values that the service documents.
func cannedACLs() []string {
	return []string{remote.Private, remote.PublicRead, remote.PublicReadWrite, remote.AuthenticatedRead}
}

// getACL answers the canned name of the node's ACL; ENODATA where it has none.
func (n *node) getACL(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	ctx, done := n.m.operation(ctx)
	defer done()
	name, _, errno := n.stat(ctx)
	if errno != 0 {
		return 0, errno
	}
	canned, err := n.m.cache.ACL(ctx, name)
	if err != nil {
		return 0, n.m.report("getxattr", err)
	}
	if canned == "" {
		return 0, syscall.ENODATA
	}
	return answer(dest, []byte(canned))
}

// setACL gives the node's object a canned ACL. EINVAL for anything else, with
// nothing sent.
func (n *node) setACL(ctx context.Context, value string) syscall.Errno {
	switch {
	case n.m.readOnly:
		return syscall.EROFS
	case !slices.Contains(cannedACLs(), value):
		return syscall.EINVAL
	}
	ctx, done := n.m.operation(ctx)
	defer done()
	err := whileMoving(func() error {
		name, ok := n.name()
		if !ok {
			return fmt.Errorf("set ACL: %w", fs.ErrNotExist)
		}
		return n.m.mutate(ctx, func(ctx context.Context) error { return n.m.cache.SetACL(ctx, name, value) })
	})
	return n.m.report("setxattr", err)
}
