package config

import (
	"context"
	"errors"
	"strings"

	"ncloudfs/fs"
	"ncloudfs/remote"
	"ncloudfs/remote/acl"
)

const aclAbout = `The ACL is private, public-read, public-read-write, authenticated-read, or grants
in JSON: [{"id": "MEMBER", "permission": "READ"}], with "group" ("AllUsers",
"AuthenticatedUsers") or "email" instead of "id", and READ, WRITE, READ_ACP,
WRITE_ACP or FULL_CONTROL. The owner keeps full control unless a grant names the
owner.

`

const aclTargetAbout = `PATH is a file or directory in a mount; a directory's ACL is that of its marker, and
symbolic links are left out. The top of a mount is the bucket itself: -r leaves
its ACL as it is. With s3:// no mount is needed, but keys are.

`

func aclOptions() options {
	return bucketOptions(&option{name: "recursive", short: "r", group: groupWhat, once: true,
		usage: "also all that lies below", set: switchTo(func(s *settings) *bool { return &s.recursive })})
}

// aclCommands are `ncloudfs acl` and `ncloudfs bucket acl`.
func (a *App) aclCommands() []*command {
	return []*command{
		{name: "acl get", args: []string{"PATH|s3://BUCKET/KEY"},
			usage:   "print who may do what with an object",
			about:   "With -r, prints a line for each object: ACL, tab, name.\n\n" + aclAbout + aclTargetAbout + keysAbout,
			options: aclOptions(), examples: "ncloudfs acl get /mnt/bucket/index.html\nncloudfs acl get -r s3://my-bucket/photos\n",
			run: a.onACLs(acl.Get)},
		{name: "acl set", args: []string{"PATH|s3://BUCKET/KEY", "ACL"},
			usage:   "say who may do what with an object",
			about:   "Changes nothing but the ACL. With -r, goes on after a failure; exit code 1 then.\n\n" + aclAbout + aclTargetAbout + keysAbout,
			options: aclOptions(), examples: "ncloudfs acl set -r /mnt/bucket/www public-read\nncloudfs acl set s3://my-bucket/key '[{\"id\": \"ncp-1-0\", \"permission\": \"READ\"}]'\n",
			run: func(ctx context.Context, p *parsed) error {
				return a.onACLs(func(ctx context.Context, t acl.Target, o acl.Options) error { return acl.Set(ctx, t, p.args[1], o) })(ctx, p)
			}},
		{name: "bucket acl get", args: []string{"BUCKET"},
			usage:   "print who may list a bucket, and make objects in it",
			about:   keysAbout,
			options: bucketOptions(), examples: "ncloudfs bucket acl get my-bucket\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, _ *parsed, name string) error {
				return acl.Get(ctx, acl.Objects{Client: c, Path: remote.Path{Bucket: name}}, acl.Options{Out: a.Stdout})
			})},
		{name: "bucket acl set", args: []string{"BUCKET", "ACL"},
			usage:   "say who may list a bucket, and make objects in it",
			about:   aclAbout + keysAbout,
			options: bucketOptions(), examples: "ncloudfs bucket acl set my-bucket private\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, p *parsed, name string) error {
				return acl.Set(ctx, acl.Objects{Client: c, Path: remote.Path{Bucket: name}}, p.args[1], acl.Options{})
			})},
	}
}

// onACLs makes the run function of a command whose first argument says whose ACLs
// are meant.
func (a *App) onACLs(do func(context.Context, acl.Target, acl.Options) error) func(context.Context, *parsed) error {
	return func(ctx context.Context, p *parsed) error {
		o := acl.Options{Recursive: p.recursive, Out: a.Stdout, Progress: a.Stderr}
		rest, isObject := strings.CutPrefix(p.args[0], "s3://")
		if !isObject {
			files, err := filesAt(p.args[0])
			if err != nil {
				return err
			}
			return do(ctx, files, o)
		}
		bucket, key, _ := strings.Cut(rest, "/")
		if !p.recursive && key == "" {
			return errors.New("s3://BUCKET/KEY must name an object: ncloudfs bucket acl is about buckets, -r about all that is in one")
		}
		return a.withClient(ctx, p, func(ctx context.Context, c *remote.Client) error {
			return do(ctx, acl.Objects{Client: c, Path: remote.Path{Bucket: bucket, Key: key}}, o)
		})
	}
}

// filesAt is the target of a path in a mount.
func filesAt(path string) (acl.Files, error) {
	source, below, err := fs.HolderOf(path)
	if err != nil {
		return acl.Files{}, err
	}
	of, err := ParseSource(source)
	if err != nil {
		return acl.Files{}, err
	}
	files := acl.Files{Path: path, Below: below}
	switch {
	case of.Bucket == remote.Account:
		files.Buckets = 2
	case of.Prefix == "":
		files.Buckets = 1
	}
	return files, nil
}
