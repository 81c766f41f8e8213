package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// What scripts/bench writes in the README stands between these lines.
const (
	beginMark = "<!-- measured by scripts/bench: -->\n"
	endMark   = "<!-- end of what was measured -->\n"
)

// refresh puts text between the marks of a file.
func refresh(path, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fresh, err := between(string(b), text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(fresh), 0o644)
}

func between(whole, text string) (string, error) {
	head, rest, ok := strings.Cut(whole, beginMark)
	_, tail, ended := strings.Cut(rest, endMark)
	if !ok || !ended {
		return "", fmt.Errorf("no lines %q and %q", strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
	}
	return head + beginMark + text + endMark + tail, nil
}

// illustrated puts the charts, by file name, above the table.
func illustrated(table string, charts map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(charts)) {
		fmt.Fprintf(&text, "![%s](scripts/charts/%[2]s)\n\n", strings.TrimSuffix(name, ".svg"), name)
	}
	return text.String() + table
}
