package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ncloudfs/cache"
	"ncloudfs/fs"
)

// twoPlaces are a mount of a prefix and a directory's other bucket.
func twoPlaces() []*place {
	return []*place{
		{about: Status{Source: "s3://data/home", Origin: cache.Source{Bucket: "data", Prefix: "home/"}}, daemon: fs.Daemon{Mountpoint: "/mnt/x"},
			pending: []cache.Pending{
				{ID: "1", Key: "home/a", Name: "a", State: cache.StateUploading, Size: 4 << 20, Sent: 1 << 20, Since: time.Now().Add(-2 * time.Hour)},
				{ID: "2", Key: "home/d/b", Name: "d/b", State: cache.StateFailed, Size: 1, Error: "refused\nby the service"},
				{ID: "3", Key: "home/d/b", Name: "d/b", State: cache.StateOpen, Size: 1},
				{ID: "4", Key: "home/new\nline\x1b[2J", Name: "new\nline\x1b[2J", State: cache.StateReady},
				{ID: "5", Key: "home/gone/", Name: "gone/", State: cache.StateRemoved},
			}},
		{about: Status{Source: "s3://other", Origin: cache.Source{Bucket: "other"}}, pending: []cache.Pending{
			{ID: "9", Key: "a", Name: "a", State: cache.StateConflict}, {ID: "8", Key: "/mnt/x/a", Name: "%{}/mnt/x/a"}}},
	}
}

func TestNamesArePathsOrIDs(t *testing.T) {
	for _, test := range []struct {
		names []string
		want  string // the ids, or what the error says
	}{
		{[]string{"2"}, "2"},
		{[]string{"d/b"}, "2 3"},
		{[]string{"/mnt/x/d/b", "1"}, "2 3 1"},
		{[]string{"/mnt/x/../x/gone/"}, "5"},
		{[]string{"s3://other/a"}, "9"},
		{[]string{"s3://data/home/a", "9"}, "1 9"},
		{[]string{"new\nline\x1b[2J"}, "4"},
		{[]string{"a"}, "a is in several buckets: give s3://BUCKET/KEY"},
		{[]string{"2", "c\n"}, `nothing that is pending has the path or ID "c\n"`},
		{[]string{"home/a"}, "nothing that is pending has the path or ID home/a"},
	} {
		o := PendingOptions{Names: test.names}
		chosen, err := o.choose(twoPlaces())
		var ids []string
		for _, c := range chosen {
			ids = append(ids, c.ids()...)
		}
		got := strings.Join(ids, " ")
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q: got %q, want %q", test.names, got, test.want)
		}
	}
}

func TestAllIsWhatThereIs(t *testing.T) {
	for what, want := range map[string]string{"retry": "[] []", "discard": "[1 2 3 4 5] [9 8]"} {
		o := PendingOptions{All: true, Discard: what == "discard", Retry: what == "retry"}
		chosen, err := o.choose(twoPlaces())
		if err != nil || len(chosen) != 2 || fmt.Sprint(chosen[0].ids(), " ", chosen[1].ids()) != want {
			t.Errorf("%s: got %v, %v", what, chosen, err)
		}
	}
}

func TestListIsReadableAndPrintable(t *testing.T) {
	var out bytes.Buffer
	o := PendingOptions{Out: &out}
	if err := o.list(twoPlaces()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"s3://data/home at", "PATH", "4MiB", "uploading", "2 hours", "25%", "refused; by the service", `"new\nline\x1b[2J"`, "d/b"} {
		if want = strings.ReplaceAll(want, "refused; by the service", "refused; by the service"); !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2+2+7 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
	out.Reset()
	o = PendingOptions{Out: &out, JSON: true}
	if err := o.list(twoPlaces()); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil || len(rows) != 7 {
		t.Fatalf("%v: %s", err, out.String())
	}
	if r := rows[1]; r["source"] != "s3://data/home" || r["path"] != "d/b" || r["id"] != "2" || r["state"] != "failed" || r["size"] != 1.0 {
		t.Errorf("got %v", r)
	}
}
