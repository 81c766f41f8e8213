package acl

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"ncloudfs/remote"
)

// Objects is a target by key: an object, all that lies below a key, or a bucket
// where the key is empty. Its names are s3://BUCKET/KEY.
type Objects struct {
	Client *remote.Client
	Path   remote.Path
}

func objectName(p remote.Path) string { return "s3://" + p.String() }

func (o Objects) path(name string) remote.Path {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(name, "s3://"), "/")
	return remote.Path{Bucket: bucket, Key: key}
}

func (o Objects) root() string { return objectName(o.Path) }

func (o Objects) get(ctx context.Context, name string) (string, error) {
	a, err := o.Client.ACL(ctx, o.path(name))
	if err != nil {
		return "", err
	}
	return a.Text(), nil
}

func (o Objects) set(ctx context.Context, name string, a *remote.ACL) error {
	return o.Client.ApplyACL(ctx, o.path(name), a)
}

// all are the object and those whose keys have its own as a directory.
func (o Objects) all(ctx context.Context) iter.Seq2[string, error] {
	key := strings.TrimSuffix(o.Path.Key, "/")
	return func(yield func(string, error) bool) {
		for page, err := range o.Client.List(ctx, remote.ListOptions{Bucket: o.Path.Bucket, Prefix: key}) {
			if err != nil {
				yield("", fmt.Errorf("list %s: %w", o.root(), err))
				return
			}
			for _, found := range page.Objects {
				in := key == "" || found.Path.Key == o.Path.Key || strings.HasPrefix(found.Path.Key, key+"/")
				if in && !yield(objectName(found.Path), nil) {
					return
				}
			}
		}
	}
}
