package test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// crashStep is a moment in the life of a change at which the daemon may die.
type crashStep struct {
	name    string
	loses   string // what a mistake there would lose
	inParts bool   // only uploads in parts reach it
}

// sourceSteps are the names of the steps in the source.
func sourceSteps(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../cache/*.go")
	ok(t, err)
	names := map[string]bool{}
	call := regexp.MustCompile(`\bstep\("([^"]*)"\)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		ok(t, err)
		for _, match := range call.FindAllStringSubmatch(string(text), -1) {
			names[match[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// crashSteps are all of them. A pair NAME and NAME-done, or -noted, or -synced,
// stands before and after a request, or what makes it safe.
func crashSteps() []crashStep {
	return []crashStep{
		{name: "read", loses: "nothing: a read changes nothing"},
		{name: "write", loses: "nothing that was closed: the file is kept as one that its writer did not close"},

		{name: "zero", loses: "the same, where bytes become zeros"},

		{name: "save-data", loses: "bytes that a record already promises and that are not on disk yet"},
		{name: "save-data-synced", loses: "the former content of a file, when its new data file is there and not its record"},
		{name: "saved", loses: "a file whose close was answered, if that needed more than its record"},

		{name: "promised", loses: "a change that no close follows: its record is all that there is of it"},

		{name: "journal-append", loses: "what the record is about, if something was done that it has to announce"},
		{name: "journal-appended", loses: "the change, if the next mount did not go by the last record of a file"},
		{name: "journal-sync", loses: "a change that others wait for together, if one of them was told too early"},
		{name: "journal-synced", loses: "nothing, but it may be sent or done twice"},
		{name: "journal-compacting", loses: "all records, if the new log took the place of the old before it was whole"},
		{name: "journal-compacted", loses: "records that went to the old log while the new one was written"},

		{name: "ready", loses: "an upload that has begun and of which the journal says nothing"},
		{name: "put", loses: "an edit, if its base were replaced without a record of what the upload makes"},
		{name: "put-done", loses: "the difference between our version, which has arrived, and another client's"},
		{name: "upload", inParts: true, loses: "an upload in parts that nobody ends: it is kept and billed for ever"},
		{name: "upload-noted", inParts: true, loses: "the same, now that the journal knows its id"},
		{name: "part", inParts: true, loses: "the parts that have arrived: they would be sent again"},
		{name: "part-noted", inParts: true, loses: "the object, if a part counted as sent that has not arrived"},
		{name: "complete", inParts: true, loses: "the parts, if the upload were aborted as one that nobody needs"},
		{name: "complete-done", inParts: true, loses: "the object, if it counted as another client's, or the upload were begun again"},
		{name: "copy", loses: "a file that has neither its old name nor its new one"},
		{name: "copy-done", loses: "one of the names, or a second copy that stays under the old one"},
		{name: "copy-from", loses: "nothing: the file is still empty, or becomes the copy"},
		{name: "copy-from-done", loses: "nothing, but the object would count as another client's"},
		{name: "copied", loses: "a directory that is at its new name in part, if the originals stayed for ever"},
		{name: "carried", loses: "attributes that a rename has taken along, if they were set again on what came after"},
		{name: "delete", loses: "a removal that was answered: the object would be back"},
		{name: "delete-done", loses: "a newer object of the same name, if the deletion were done again"},

		{name: "acl", loses: "grants that no header carries: the object would be private"},
		{name: "committed", loses: "local bytes of a version whose upload an older request can still overwrite"},
		{name: "done", loses: "nothing, but the data file stays"},
		{name: "doomed-removing", loses: "a data file that a record, after a loss of power, still promises"},
		{name: "hidden", loses: "the removal of a name, or the object that a handle still reads"},
		{name: "renamed", loses: "a file that is under both names, or under none"},
		{name: "conflict", loses: "our version of a file that another client has written too"},
		{name: "conflict-done", loses: "theirs, if ours took the name after all; or a second copy of ours"},
	}
}
