package config

import (
	"context"
	"errors"
	"strings"

	"ncloudfs/remote"
	"ncloudfs/remote/bucket"
)

// bucketOptions are of a command that asks the service about one bucket or
// the account.
func bucketOptions(more ...*option) options { return append(storeOptions(), more...) }

func olderThanOption() *option {
	return &option{name: "older-than", group: groupWhat, once: true, value: "TIME",
		usage: "only uploads that began so long ago, e.g. 24h or 7d", set: (*settings).setOlderThan}
}

const corsAbout = `The document is XML (<CORSConfiguration>), as s3cmd setcors takes it, or JSON
({"CORSRules": [...]}), as the AWS CLI has it.

`

const corsTestAbout = `Sends the OPTIONS request with which a browser asks whether a page of ORIGIN may
send METHOD for an object, and says what it would do. Exit code 1 when it would
refuse. KEY is asked for, not looked for: it need not exist.

`

const uploadsAbout = `An upload in parts that is neither finished nor aborted never expires, and its
parts are billed. One that a mount still works on is among them.

`

// bucketCommands are `ncloudfs bucket`.
func (a *App) bucketCommands() []*command {
	return []*command{
		{name: "bucket ls",
			usage:   "list the account's buckets",
			about:   "Prints the name and creation time of every bucket the keys own.\n\n" + keysAbout,
			options: bucketOptions(jsonOption()), examples: "ncloudfs bucket ls --json\n",
			run: func(ctx context.Context, p *parsed) error {
				return a.withClient(ctx, p, func(ctx context.Context, c *remote.Client) error {
					return bucket.List(ctx, c, bucket.ListOptions{Out: a.Stdout, JSON: p.json})
				})
			}},
		{name: "bucket make", args: []string{"BUCKET"},
			usage: "make a bucket",
			about: "The name has 3 to 63 small letters, digits, hyphens and dots, and no other account\nof the region may have it.\n\n" + keysAbout,
			options: bucketOptions(&option{name: "acl", group: groupWhat, once: true, value: "CANNED", def: "private",
				usage: "who may list it: private, public-read, public-read-write, authenticated-read", set: (*settings).setCannedACL}),
			examples: "ncloudfs bucket make my-bucket\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, p *parsed, name string) error {
				return bucket.Make(ctx, c, name, p.cannedACL)
			})},
		{name: "bucket remove", args: []string{"BUCKET"},
			usage:   "remove an empty bucket",
			about:   keysAbout,
			options: bucketOptions(), examples: "ncloudfs bucket remove my-bucket\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, _ *parsed, name string) error {
				return bucket.Remove(ctx, c, name)
			})},
		{name: "bucket cors get", args: []string{"BUCKET"},
			usage:   "print a bucket's CORS rules",
			about:   "Prints them as `cors set` takes them: XML, or JSON with --json.\n\n" + keysAbout,
			options: bucketOptions(jsonOption()), examples: "ncloudfs bucket cors get my-bucket > rules.xml\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, p *parsed, name string) error {
				return bucket.GetCORS(ctx, c, name, bucket.ListOptions{Out: a.Stdout, JSON: p.json})
			})},
		{name: "bucket cors set", args: []string{"BUCKET", "FILE"},
			usage:   "replace a bucket's CORS rules by those of FILE (- is standard input)",
			about:   corsAbout + keysAbout,
			options: bucketOptions(), examples: "ncloudfs bucket cors set my-bucket rules.xml\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, p *parsed, name string) error {
				return bucket.SetCORS(ctx, c, name, p.args[1], a.Stdin)
			})},
		{name: "bucket cors delete", args: []string{"BUCKET"},
			usage:   "remove a bucket's CORS rules",
			about:   keysAbout,
			options: bucketOptions(), examples: "ncloudfs bucket cors delete my-bucket\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, _ *parsed, name string) error {
				return c.DeleteCORS(ctx, name)
			})},
		{name: "bucket cors test", args: []string{"BUCKET", "ORIGIN", "METHOD", "KEY"},
			usage: "ask as a browser whether a page may use an object",
			about: corsTestAbout,
			options: bucketOptions(&option{name: "header", group: groupWhat, once: true, value: "NAME,...",
				usage: "headers that the page wants to send", set: (*settings).setHeaders}),
			examples: "ncloudfs bucket cors test my-bucket https://example.com PUT photos/a.jpg --header content-type\n",
			run: a.onBucket(func(ctx context.Context, c *remote.Client, p *parsed, name string) error {
				return bucket.TestCORS(ctx, c, remote.Path{Bucket: name, Key: p.args[3]},
					remote.Preflight{Origin: p.args[1], Method: p.args[2], Headers: p.headers}, a.Stdout)
			})},
		{name: "bucket uploads ls", args: []string{"BUCKET[/PREFIX]"},
			usage:   "list unfinished uploads, with age and size",
			about:   uploadsAbout + "The size is shown where the service lists parts, which NAVER's does not promise.\n\n" + keysAbout,
			options: bucketOptions(olderThanOption(), jsonOption()), examples: "ncloudfs bucket uploads ls my-bucket --older-than 7d\n",
			run: a.onUploads(bucket.ListUploads)},
		{name: "bucket uploads abort", args: []string{"BUCKET[/PREFIX]"},
			usage:   "abort unfinished uploads that began --older-than TIME ago",
			about:   uploadsAbout + keysAbout,
			options: bucketOptions(olderThanOption()), examples: "ncloudfs bucket uploads abort my-bucket --older-than 7d\n",
			run: func(ctx context.Context, p *parsed) error {
				if !p.hasOlderThan {
					return errors.New("--older-than is missing: an upload that a mount or another client works on must not be aborted; 7d is a safe choice")
				}
				return a.onUploads(bucket.AbortUploads)(ctx, p)
			}},
	}
}

// withClient does something with the service that p means.
func (a *App) withClient(ctx context.Context, p *parsed, do func(context.Context, *remote.Client) error) error {
	return a.WithClient(ctx, p.store, do)
}

// onBucket makes the run function of a command whose first argument is a bucket.
func (a *App) onBucket(do func(context.Context, *remote.Client, *parsed, string) error) func(context.Context, *parsed) error {
	return func(ctx context.Context, p *parsed) error {
		name := strings.TrimSuffix(strings.TrimPrefix(p.args[0], "s3://"), "/")
		if name == "" || strings.Contains(name, "/") {
			return errors.New("BUCKET must be the name of a bucket, without a prefix")
		}
		return a.withClient(ctx, p, func(ctx context.Context, c *remote.Client) error { return do(ctx, c, p, name) })
	}
}

// onUploads makes the run function of a command about unfinished uploads.
func (a *App) onUploads(do func(context.Context, *remote.Client, bucket.UploadsOptions) error) func(context.Context, *parsed) error {
	return func(ctx context.Context, p *parsed) error {
		source, err := parseBucket(p.args[0])
		if err != nil {
			return err
		}
		return a.withClient(ctx, p, func(ctx context.Context, c *remote.Client) error {
			return do(ctx, c, bucket.UploadsOptions{Bucket: source.Bucket, Prefix: source.Prefix,
				OlderThan: p.olderThan, JSON: p.json, Out: a.Stdout})
		})
	}
}
