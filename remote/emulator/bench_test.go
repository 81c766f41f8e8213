package emulator_test

import (
	"io"
	"net/http"
	"testing"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// zeros is a body of any length that costs the sender nothing to make.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

const benchSize = 64 << 20

func benchPut(b *testing.B, s *emulatortest.Server) {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, s.URL+"/bucket/key", io.LimitReader(zeros{}, benchSize))
	if err != nil {
		b.Fatal(err)
	}
	req.ContentLength = benchSize
	resp, err := s.HTTP.Client().Do(req)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status)
	}
}

func BenchmarkTransfer(b *testing.B) {
	for _, where := range []string{"memory", "directory"} {
		o := emulator.Options{}
		if where == "directory" {
			o.Dir = b.TempDir()
		}
		s := emulatortest.Start(b, o)
		makeOpenBucket(b, s)
		b.Run("put/"+where, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				benchPut(b, s)
			}
		})
		b.Run("get/"+where, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				resp, err := s.HTTP.Client().Get(s.URL + "/bucket/key")
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				if err != nil || n != benchSize {
					b.Fatal(n, err)
				}
				_ = resp.Body.Close()
			}
		})
	}
}
