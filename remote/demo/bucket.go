package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// Bucket is an emulated bucket that is being served. On disk:
//
//	DIR/store         what the emulator keeps
//	DIR/client.yaml   endpoint and keys for `--config`, while it is served
type Bucket struct {
	Store remote.Options // how to reach it

	name   string
	dir    string
	server *http.Server
	store  *emulator.Server
}

// Open serves the bucket name that dir keeps, on a port of the kernel's
// choice and with new random keys. It makes what is not there yet.
func Open(ctx context.Context, dir, name string) (*Bucket, error) {
	b := &Bucket{name: name, dir: dir}
	account := emulator.Account{ID: "demo", AccessKey: rand.Text(), SecretKey: rand.Text() + rand.Text()}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		b.store, err = emulator.New(emulator.Options{Accounts: []emulator.Account{account}, Dir: filepath.Join(dir, "store")})
	}
	if err != nil {
		return nil, fmt.Errorf("demo bucket in %s: %w: choose another --dir", dir, err)
	}
	if err := b.listen(account); err != nil {
		return nil, errors.Join(fmt.Errorf("demo bucket: %w", err), b.store.Close())
	}
	if err := errors.Join(b.create(ctx), b.publish()); err != nil {
		return nil, errors.Join(fmt.Errorf("demo bucket: %w", err), b.Close())
	}
	return b, nil
}

func (b *Bucket) listen(account emulator.Account) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.server = &http.Server{Handler: b.store, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = b.server.Serve(l) }() // ends with Close
	b.Store = remote.Options{Endpoint: "http://" + l.Addr().String(), Region: "kr", Credentials: remote.Credentials{
		AccessKey: account.AccessKey, SecretKey: remote.Secret(account.SecretKey), Source: "the demo"}}
	return nil
}

// create makes the bucket, unless the directory has it from last time.
func (b *Bucket) create(ctx context.Context) error {
	c, err := remote.New(b.Store)
	if err != nil {
		return err
	}
	if err := c.MakeBucket(ctx, b.name, ""); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// publish writes the file by which other commands of this user reach the
// bucket.
func (b *Bucket) publish() error {
	temp, err := os.CreateTemp(b.dir, ".client-*") // mode 0600
	if err != nil {
		return err
	}
	k := b.Store.Credentials
	_, err = fmt.Fprintf(temp, "endpoint: %s\nregion: %s\naccess-key: %s\nsecret-key: %s\n",
		b.Store.Endpoint, b.Store.Region, k.AccessKey, k.SecretKey.Reveal())
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), b.clientFile())
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

func (b *Bucket) clientFile() string { return filepath.Join(b.dir, "client.yaml") }

// Close stops serving. What is in the bucket stays.
func (b *Bucket) Close() error {
	err := os.Remove(b.clientFile())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, b.server.Close(), b.store.Close())
}

// Welcome says what can be tried on the mounted bucket, with the program by
// the name it was called.
func (b *Bucket) Welcome(program, mountpoint string) string {
	return fmt.Sprintf(`
An emulated bucket is mounted on %[1]s. In another terminal, try:

  echo hello > %[1]s/hello.txt         a file is an object
  cp -r /usr/share/doc/bash %[1]s/     a directory is a prefix of keys
  ls -lR %[1]s
  %[2]s bucket ls --config %[3]s
  %[2]s doctor --config %[3]s %[4]s

The bucket is kept in %[5]s.
Ctrl-C here finishes uploads and unmounts.

`, mountpoint, program, b.clientFile(), b.name, b.dir)
}
