package emulator_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// minioClient is an independent client: it signs, frames and parses on its
// own.
func minioClient(t *testing.T, s *emulatortest.Server) *minio.Core {
	t.Helper()
	alice := emulatortest.Alice()
	host, secure := strings.CutPrefix(s.URL, "https://")
	core, err := minio.NewCore(strings.TrimPrefix(host, "http://"), &minio.Options{
		Creds:        credentials.NewStaticV4(alice.AccessKey, alice.SecretKey, ""),
		Secure:       secure,
		Region:       "kr-standard",
		BucketLookup: minio.BucketLookupPath,
		Transport:    s.HTTP.Client().Transport.(*http.Transport),
		MaxRetries:   1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return core
}

// overBoth runs a test over HTTP, where minio-go signs each chunk, and over
// HTTPS, where it sends UNSIGNED-PAYLOAD.
func overBoth(t *testing.T, o emulator.Options, test func(*testing.T, *emulatortest.Server)) {
	t.Run("http", func(t *testing.T) { test(t, emulatortest.Start(t, o)) })
	t.Run("https", func(t *testing.T) { test(t, emulatortest.StartTLS(t, o)) })
	t.Run("directory", func(t *testing.T) {
		o.Dir = t.TempDir()
		test(t, emulatortest.Start(t, o))
	})
}

func TestMinioPutsAndGetsEverySize(t *testing.T) {
	overBoth(t, emulator.Options{}, func(t *testing.T, s *emulatortest.Server) {
		c := minioClient(t, s)
		if err := c.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{Region: "kr-standard"}); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1<<20 + 7} {
			want := make([]byte, size)
			_, _ = rand.Read(want)
			_, err := c.Client.PutObject(t.Context(), "bucket", "a key/한글+%&=", bytes.NewReader(want), int64(size),
				minio.PutObjectOptions{SendContentMd5: true, UserMetadata: map[string]string{"Mode": "33188"}})
			if err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
			body, info, _, err := c.GetObject(t.Context(), "bucket", "a key/한글+%&=", minio.GetObjectOptions{})
			if err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("size %d: got %d bytes, error %v", size, len(got), err)
			}
			if info.UserMetadata["Mode"] != "33188" {
				t.Errorf("metadata %v", info.UserMetadata)
			}
		}
	})
}

func TestMinioUploadsInParts(t *testing.T) {
	overBoth(t, emulator.Options{}, func(t *testing.T, s *emulatortest.Server) {
		c := minioClient(t, s)
		if err := c.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{Region: "kr-standard"}); err != nil {
			t.Fatal(err)
		}
		want := make([]byte, 12<<20+5)
		_, _ = rand.Read(want)
		info, err := c.Client.PutObject(t.Context(), "bucket", "big", bytes.NewReader(want), int64(len(want)),
			minio.PutObjectOptions{PartSize: 5 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(info.ETag, "-3") {
			t.Errorf("ETag %q, want one of 3 parts", info.ETag)
		}
		opts := minio.GetObjectOptions{}
		if err := opts.SetRange(5<<20-3, 10<<20+3); err != nil {
			t.Fatal(err)
		}
		body, _, _, err := c.GetObject(t.Context(), "bucket", "big", opts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, want[5<<20-3:10<<20+4]) {
			t.Errorf("range over three parts: %d bytes, error %v", len(got), err)
		}
		list, err := c.ListObjects("bucket", "", "", "/", 10)
		if err != nil || len(list.Contents) != 1 || list.Contents[0].Size != int64(len(want)) {
			t.Errorf("listing %+v, error %v", list, err)
		}
	})
}
