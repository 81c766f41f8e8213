package config

import (
	"context"
	"fmt"
	"io"
	"slices"

	"ncloudfs/fs/control"
)

const sourceAbout = `SOURCE is BUCKET, BUCKET/PREFIX or s3://BUCKET/PREFIX; for mount also @, which
shows every bucket of the account as a directory: mkdir and rmdir make and remove
buckets.
`

const keysAbout = `Keys are looked for in --config, then in NCLOUD_ACCESS_KEY and NCLOUD_SECRET_KEY,
~/.ncloud/configure, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials,
and on a server of NAVER Cloud in its role. They are never options.
`

const optionsAbout = `Every option also works as -o name=value, as NCLOUDFS_NAME in the environment
(NCLOUDFS_READ_ONLY=true) and as a line "name: value" of the --config file.
A flag wins over -o, -o over the environment, the environment over the file.
`

const pendingAbout = `Lists what was written to MOUNTPOINT and the bucket lacks; without MOUNTPOINT, what
any mount has left in --stage-dir DIR, or in DIR/stage of --cache-dir DIR. PATHs (in
the mount) or IDs say what to retry, export or discard; what a program never closed
is uploaded only when it is named. Exit code 1 when something cannot be done.

To retry without a mount takes keys.
`

// commands are what the program can do, in the order of its help.
func (a *App) commands() []*command {
	return slices.Concat([]*command{
		{name: "mount", args: []string{"SOURCE", "MOUNTPOINT"},
			usage:   "mount a bucket, or what lies below a prefix of it",
			about:   "Mounts SOURCE on the empty directory MOUNTPOINT and goes to the background once\nit answers.\n" + sourceAbout + "\n" + keysAbout + "\n" + optionsAbout,
			options: mountOptions(), examples: `ncloudfs mount my-bucket /mnt/bucket
ncloudfs mount my-bucket/photos /mnt/photos --read-only
ncloudfs mount -f -o uid=1000,umask=077 my-bucket ~/bucket
ncloudfs mount --endpoint http://127.0.0.1:9000 --region us-east-1 test /mnt/test
`, run: a.runMount},
		{name: "umount", args: []string{"MOUNTPOINT"},
			usage:   "finish uploads, then unmount",
			about:   "Waits until everything written is in the bucket, then unmounts and waits for the\nend of the process that served the mount. Ctrl-C ends the wait, not the uploads.\nExit code 1 when something is not in the bucket: it is kept on the local disk, and\nthe next mount goes on.\n",
			options: umountOptions(), run: func(ctx context.Context, p *parsed) error {
				return a.Umount(ctx, control.UmountOptions{Mountpoint: p.args[0], DrainTime: p.drainTime, Out: a.Stderr})
			}},
		{name: "status", args: []string{"MOUNTPOINT"},
			usage:   "show what a mount does, and what is not in the bucket yet",
			options: statusOptions(), run: func(ctx context.Context, p *parsed) error {
				return a.Status(ctx, control.StatusOptions{Mountpoint: p.args[0], JSON: p.json, Out: a.Stdout})
			}},
		{name: "sync", args: []string{"MOUNTPOINT"},
			usage: "wait until everything that was closed is in the bucket",
			about: "Waits for what was closed before. Exit code 1 when something cannot be uploaded.\n",
			run: func(ctx context.Context, p *parsed) error {
				return a.Sync(ctx, control.SyncOptions{Mountpoint: p.args[0], Out: a.Stderr})
			}},
		{name: "pending", args: []string{"[MOUNTPOINT]", "[PATH|ID...]"}, anyArgs: true,
			usage:   "list, retry, export or discard what is not in the bucket yet",
			about:   pendingAbout + keysAbout,
			options: pendingOptions(), examples: `ncloudfs pending /mnt/bucket
ncloudfs pending /mnt/bucket notes.txt --export /tmp/notes.txt
ncloudfs pending /mnt/bucket --retry --all
ncloudfs pending --stage-dir /srv/stage --discard notes.txt
`, run: a.runPending},
		{name: "demo", args: []string{"MOUNTPOINT"},
			usage:   "mount an emulated bucket: no account needed",
			about:   "Keeps a bucket in a local directory, serves it on a loopback port with random\nkeys, and mounts it until Ctrl-C. What you write is there again next time.\n",
			options: demoOptions(), examples: "mkdir demo-bucket && ncloudfs demo demo-bucket\n", run: a.runDemo},
		{name: "doctor", args: []string{"SOURCE"},
			usage:   "check keys, clock, endpoint and what the keys may do",
			about:   "Goes through what a mount needs and says what to do about what is missing.\nThen it finds out what the service leaves open, and keeps what later mounts can use.\nIt writes some 20 MiB below .ncloudfs-doctor-*/ and removes them, unless --read-only.\nExit code 1 when something a mount needs is missing.\n" + sourceAbout + "\n" + keysAbout,
			options: doctorOptions(), examples: "ncloudfs doctor my-bucket\n", run: a.runDoctor},
	}, a.aclCommands(), a.bucketCommands(), []*command{
		{name: "version", usage: "print the version",
			run: func(context.Context, *parsed) error {
				_, err := fmt.Fprintln(a.Stdout, "ncloudfs", a.Version)
				return err
			}},
	})
}

func (a *App) runMount(ctx context.Context, p *parsed) error {
	source, err := ParseSource(p.args[0])
	if err != nil {
		return err
	}
	m, err := p.mount(source, p.args[1], a.LookupEnv)
	if err != nil {
		return err
	}
	return a.Mount(ctx, m)
}

func (a *App) runDemo(ctx context.Context, p *parsed) error {
	m, err := p.mount(Source{Bucket: "demo"}, p.args[0], a.LookupEnv)
	if err != nil {
		return err
	}
	m.Foreground = true
	return a.Demo(ctx, &Demo{Mount: m, Dir: p.demoDirectory(m)})
}

func (a *App) runDoctor(ctx context.Context, p *parsed) error {
	source, err := parseBucket(p.args[0])
	if err != nil {
		return err
	}
	state, err := stateDir(a.LookupEnv)
	if err != nil {
		return err
	}
	return a.Doctor(ctx, &Doctor{Source: source, Store: p.store, ReadOnly: p.readOnly, JSON: p.json, StateDir: state})
}

// runHelper runs a mount as mount(8) asks for it.
func (l *commandLine) runHelper(ctx context.Context, args []string) error {
	h, err := parseHelper(args)
	if err != nil {
		return err
	}
	l.sloppy = h.sloppy
	if h.fake {
		mount := *l.app
		mount.Mount = func(context.Context, *Mount) error { return nil }
		l.app, l.commands = &mount, mount.commands()
	}
	arranged, err := l.arrange(h.mountArgs())
	if err != nil {
		return err
	}
	c := l.cli()
	c.Writer = io.Discard
	return c.RunContext(ctx, arranged)
}
