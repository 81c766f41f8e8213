package cache

import (
	"bytes"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// TestReadsOfAnEmulatedBucketAreCounted reads over HTTP what the client put.
func TestReadsOfAnEmulatedBucketAreCounted(t *testing.T) {
	server := emulatortest.Start(t, emulator.Options{})
	alice := emulatortest.Alice()
	client, err := remote.New(remote.Options{Endpoint: server.URL, Region: "kr-standard",
		Credentials: remote.Credentials{AccessKey: alice.AccessKey, SecretKey: remote.Secret(alice.SecretKey)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), "bucket", ""); err != nil {
		t.Fatal(err)
	}
	f := NewFetcher(t.Context(), FetcherOptions{Client: client, Blocks: NewBlocks(BlocksOptions{})})
	t.Cleanup(f.Close)
	for _, want := range []struct {
		size int64
		gets int
	}{{1, 1}, {100_000, 1}, {firstWindow, 1}, {firstWindow + 1, 2}} {
		v := version("object", want.size)
		data := contentOf(v)
		object, err := client.Put(t.Context(), v.Path, bytes.NewReader(data), v.Size, remote.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		server.ResetCounts()
		r := f.Reader(Version{Path: v.Path, ETag: object.ETag, Size: object.Size})
		var got []byte
		for off := int64(0); off < v.Size; off += 128 * kib {
			view, err := r.Read(t.Context(), off, 128*kib)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range view.Slices() {
				got = append(got, s...)
			}
			view.Release()
		}
		r.Close()
		if !bytes.Equal(got, data) {
			t.Errorf("object of %d bytes: other bytes came back", v.Size)
		}
		if counts := server.Counts(); len(counts) != 1 || sum(counts) != want.gets {
			t.Errorf("object of %d bytes: requests %v, want %d GETs", v.Size, counts, want.gets)
		}
	}
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
