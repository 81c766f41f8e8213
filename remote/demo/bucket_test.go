package demo_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/demo"
)

func TestBucketIsThereAgainNextTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	path := remote.Path{Bucket: "demo", Key: "a/b"}
	var keys []remote.Secret
	for round := range 2 {
		b, err := demo.Open(t.Context(), dir, "demo")
		if err != nil {
			t.Fatal(err)
		}
		c, err := remote.New(b.Store)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			_, err = c.Put(t.Context(), path, bytes.NewReader([]byte("kept")), 4, remote.PutOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := c.Get(t.Context(), path, remote.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); string(got) != "kept" || err != nil {
			t.Errorf("round %d: got %q, %v", round, got, err)
		}
		body.Close()
		keys = append(keys, b.Store.Credentials.SecretKey)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if keys[0] == keys[1] {
		t.Error("the keys are not new")
	}
}

func TestKeysAreForTheOwnerAndOnlyWhileServed(t *testing.T) {
	dir := t.TempDir()
	b, err := demo.Open(t.Context(), dir, "demo")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "client.yaml")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if welcome := b.Welcome("ncloudfs", "/mnt"); strings.Contains(welcome, b.Store.Credentials.SecretKey.Reveal()) {
		t.Errorf("the secret is shown: %s", welcome)
	}
	if _, err := demo.Open(t.Context(), dir, "demo"); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("a second server of one directory: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
