package main

import (
	"fmt"
	"html"
	"strings"
)

// Sizes of a chart, in pixels.
const (
	chartWidth = 760
	barHeight  = 14
	barGap     = 2
	labelWidth = 90
	longestBar = 480
	titleSpace = 26
)

// chartGroups are the charts and the workloads in each.
func chartGroups() map[string][]string {
	return map[string][]string{
		"reading": {"read-dd", "read-four", "read-random", "read-pieces", "read-small", "reread"},
		"writing": {"write-dd", "write-4k", "create", "untar", "edit"},
		"names":   {"ls-l", "ls-U", "find", "stat", "rename-dir", "rm-rf"},
	}
}

func color(contender string) string {
	return map[string]string{ncloudfs: "#1a7f37", writeBack: "#7bc96f", client: "#9a9a9a",
		s3fs: "#c9510c", rclone: "#0969da", disk: "#d0d0d0"}[contender]
}

// chart draws bars, those of each workload in proportion to its longest; a thin
// line goes from the least to the most.
func (r *results) chart(workloads []*workload, contenders []string) string {
	var body strings.Builder
	y := 0
	for _, w := range workloads {
		bars, longest := map[string]figures{}, 0.0
		for _, c := range contenders {
			if f := r.figures(w.name, c); f.n > 0 {
				bars[c] = f
				longest = max(longest, f.Seconds.max)
			}
		}
		if longest == 0 {
			continue
		}
		y += titleSpace
		fmt.Fprintf(&body, `<text x="0" y="%d" font-weight="bold">%s</text>`+"\n", y-7, html.EscapeString(w.title(r.Sizes)))
		for _, c := range contenders {
			f, ok := bars[c]
			if !ok {
				continue
			}
			drawBar(&body, y, c, f.Seconds, longestBar/longest)
			y += barHeight + barGap
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="#ffffff"/>
%s</svg>
`, chartWidth, y+4, body.String())
}

// drawBar draws one, scale pixels a second.
func drawBar(to *strings.Builder, y int, contender string, s spread, scale float64) {
	middle := float64(y) + barHeight/2.0
	fmt.Fprintf(to, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-6, y+barHeight-3, contender)
	fmt.Fprintf(to, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`,
		labelWidth, y, max(1, s.median*scale), barHeight, color(contender))
	fmt.Fprintf(to, `<path d="M%.1f %.1fH%.1f" stroke="#000000"/>`, labelWidth+s.min*scale, middle, labelWidth+s.max*scale)
	fmt.Fprintf(to, `<text x="%.1f" y="%d">%s</text>`+"\n", labelWidth+max(s.median, s.max)*scale+6, y+barHeight-3, seconds(s.median))
}
