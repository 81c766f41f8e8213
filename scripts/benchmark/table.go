package main

import (
	"fmt"
	"slices"
	"strings"
)

// seconds says a time as short as its precision allows.
func seconds(s float64) string {
	switch {
	case s < 0.1:
		return fmt.Sprintf("%.1f ms", s*1000)
	case s < 10:
		return fmt.Sprintf("%.2f s", s)
	default:
		return fmt.Sprintf("%.1f s", s)
	}
}

func mib(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// table is the results in Markdown.
func (r *results) table(workloads []*workload, contenders []string) string {
	var t strings.Builder
	all := r.base("")
	fmt.Fprintf(&t, "Medians of %d rounds [with the least and the most]; %v to the first byte (one round trip takes %s), %s/s per connection, one fdatasync %s. What took another mount over %.0f s was measured once.\n\n",
		r.Rounds, r.Service.Latency, seconds(all.Trip), mib(r.Service.Bandwidth), seconds(all.Sync), slowTime)
	columns := slices.Concat([]string{"workload", "goal"}, contenders, []string{"requests", "peak memory, CPU"})
	fmt.Fprintf(&t, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	var failures []string
	for _, w := range workloads {
		if len(r.of(w.name, contenders...)) == 0 {
			continue // interrupted before
		}
		b := r.base(w.name)
		cells := []string{w.title(r.Sizes), w.goal.describe(b, r.Sizes)}
		for _, c := range contenders {
			f := r.figures(w.name, c)
			cells = append(cells, f.cell(w.goal.verdict(c, f, b, r.Sizes)))
			if f.err != "" {
				failures = append(failures, fmt.Sprintf("- %s, %s: %s", w.title(r.Sizes), c, oneLine(f.err)))
			}
		}
		cells = append(cells, r.requestsCell(w, contenders), r.costCell(w, contenders))
		fmt.Fprintf(&t, "| %s |\n", strings.Join(cells, " | "))
	}
	if len(failures) > 0 {
		fmt.Fprintf(&t, "\n–: did not work\n\n%s\n", strings.Join(failures, "\n"))
	}
	return t.String()
}

// oneLine makes a text fit into a line that is perhaps a table's.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "¦")
}

// cell is the time with its spread and the verdict on it.
func (f figures) cell(verdict string) string {
	switch {
	case f.err != "":
		return "–"
	case f.n == 0:
		return ""
	}
	text := seconds(f.Seconds.median)
	if f.n > 1 {
		text += fmt.Sprintf(" [%s–%s]", seconds(f.Seconds.min), seconds(f.Seconds.max))
	}
	if f.Stored.median > 0 {
		text += fmt.Sprintf(" + %s", seconds(f.Stored.median))
	}
	return text + verdict
}

// verdict says whether a contender of ours has met the goal; of others nothing.
func (g goal) verdict(contender string, f figures, b base, z sizes) string {
	if contender != ncloudfs && contender != writeBack || f.n == 0 {
		return ""
	}
	judged, met := false, true
	judge := func(applies bool, got, limit float64) {
		if applies {
			judged, met = true, met && got <= limit
		}
	}
	limit := g.limit(contender, b)
	judge(z.IsFull && limit > 0, f.Seconds.median, limit)
	judge(z.IsFull && contender == writeBack && g.stored > 0, f.Stored.median, g.stored)
	if contender == ncloudfs {
		if g.requests != nil {
			judge(true, f.Requests.median, float64(g.requests(z)))
		}
		if g.fetched != nil {
			judge(true, f.Out.median, float64(g.fetched(z)))
		}
		judge(z.IsFull && g.memory > 0, f.Memory.median, float64(g.memory))
		judge(z.IsFull && g.cpu > 0, f.CPU.median, g.cpu)
	}
	switch {
	case !judged:
		return ""
	case met:
		return " ✓"
	default:
		return " ✗"
	}
}

// requestsCell compares the requests of those that send any.
func (r *results) requestsCell(w *workload, contenders []string) string {
	return r.each(w, contenders, func(f figures) string {
		return fmt.Sprintf("%.0f", f.Requests.median)
	})
}

func (r *results) costCell(w *workload, contenders []string) string {
	return r.each(w, contenders, func(f figures) string {
		return fmt.Sprintf("%s %.2f s", mib(int64(f.Memory.median)), f.CPU.median)
	})
}

func (r *results) each(w *workload, contenders []string, say func(figures) string) string {
	var all []string
	for _, c := range contenders {
		if f := r.figures(w.name, c); f.n > 0 && c != disk {
			all = append(all, c+" "+say(f))
		}
	}
	return strings.Join(all, ", ")
}
