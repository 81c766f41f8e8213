package bucket_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/bucket"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

func TestListShowsEveryBucketAndItsDate(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{})
	a := emulatortest.Alice()
	c, err := remote.New(remote.Options{Endpoint: s.URL, Region: "kr",
		Credentials: remote.Credentials{AccessKey: a.AccessKey, SecretKey: remote.Secret(a.SecretKey)}})
	if err != nil {
		t.Fatal(err)
	}
	list := func(asJSON bool) string {
		t.Helper()
		var out bytes.Buffer
		if err := bucket.List(t.Context(), c, bucket.ListOptions{Out: &out, JSON: asJSON}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := list(true); strings.TrimSpace(got) != "[]" {
		t.Errorf("no buckets as JSON: %q", got)
	}
	for _, name := range []string{"one", "a-longer-name"} {
		if err := c.MakeBucket(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(list(false)), "\n")
	if len(lines) != 2 || strings.Index(lines[0], " 20") != strings.Index(lines[1], " 20") {
		t.Errorf("not aligned: %q", lines)
	}
	var rows []struct{ Name, Created string }
	if err := json.Unmarshal([]byte(list(true)), &rows); err != nil || len(rows) != 2 || rows[0].Created == "" {
		t.Errorf("JSON: %+v, %v", rows, err)
	}
}
