package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// bench is one run: what to do, and what came of it.
type bench struct {
	out, program, work, readme string
	rounds                     int
	quick, check               bool
	service                    service
	sizes                      sizes
	workloads                  []*workload
	contenders                 []string
	pattern                    *emulator.Pattern // of the objects' contents
}

// run measures every cell and writes the results; an interrupted one writes what
// there is.
func (b *bench) run(ctx context.Context) error {
	r := &results{Service: b.service, Sizes: b.sizes, Rounds: b.rounds}
	for round := range b.rounds {
		if err := b.round(ctx, round+1, r); ctx.Err() != nil {
			return errors.Join(ctx.Err(), b.write(r))
		} else if err != nil {
			return err
		}
	}
	if err := b.write(r); err != nil {
		return err
	}
	if b.check {
		return b.judge(r)
	}
	return nil
}

// round measures every cell once, but for those that failed before or were slow.
func (b *bench) round(ctx context.Context, number int, r *results) error {
	now, err := b.measureBase(ctx)
	if err != nil {
		return err
	}
	r.Bases = append(r.Bases, now)
	for _, w := range b.workloads {
		for _, contender := range b.contenders {
			if !w.by(contender) || r.failed(w.name, contender) || r.isSlow(w.name, contender) {
				continue
			}
			s := b.cell(ctx, w, contender)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.Workload, s.Contender, s.Round = w.name, contender, number
			r.Samples = append(r.Samples, s)
			fmt.Fprintf(os.Stderr, "%d/%d %-16s %-10s %s\n", number, b.rounds, w.name, contender, s.line())
		}
	}
	return nil
}

// judge fails for what ncloudfs could not do, or not with as few requests as
// its goal.
func (b *bench) judge(r *results) error {
	var bad []string
	for _, w := range b.workloads {
		for _, s := range r.of(w.name, ncloudfs, writeBack) {
			if s.Error != "" {
				bad = append(bad, fmt.Sprintf("%s of %s: %s", w.name, s.Contender, s.Error))
			} else if s.Contender == ncloudfs {
				for _, missed := range w.goal.countsMissed(s, b.sizes) {
					bad = append(bad, w.name+": "+missed)
				}
			}
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%w:\n%s", errCheck, strings.Join(bad, "\n"))
	}
	return nil
}

// measureBase measures what goals are relative to.
func (b *bench) measureBase(ctx context.Context) (base, error) {
	var now base
	var err error
	if now.Sync, err = syncTime(b.work); err != nil {
		return now, fmt.Errorf("measuring the disk: %w", err)
	}
	s, err := startServer(ctx, b.service)
	if err != nil {
		return now, err
	}
	var trips []float64
	for range 20 {
		began := time.Now()
		if _, err = s.client.ListPage(ctx, remote.ListOptions{Bucket: bucket, MaxKeys: 1}); err != nil {
			break
		}
		trips = append(trips, time.Since(began).Seconds())
	}
	if err := errors.Join(err, s.stop()); err != nil {
		return now, fmt.Errorf("measuring a round trip: %w", err)
	}
	now.Trip = median(trips)
	return now, nil
}

// syncTime is the median time of a fdatasync after 4 KiB more.
func syncTime(dir string) (float64, error) {
	f, err := os.CreateTemp(dir, "ncloudfs-bench-*")
	if err != nil {
		return 0, err
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }() // a leftover harms nobody
	var all []float64
	for range 100 {
		began := time.Now()
		if _, err := f.Write(make([]byte, small)); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began).Seconds())
	}
	return median(all), nil
}

// write leaves the results in files.
func (b *bench) write(r *results) error {
	if err := r.save(filepath.Join(b.out, "results.json")); err != nil {
		return err
	}
	table := r.table(b.workloads, b.contenders)
	fmt.Print(table)
	if err := os.WriteFile(filepath.Join(b.out, "table.md"), []byte(table), 0o644); err != nil {
		return err
	}
	charts := map[string]string{}
	for name, group := range chartGroups() {
		var rows []*workload
		for _, w := range b.workloads {
			if slices.Contains(group, w.name) {
				rows = append(rows, w)
			}
		}
		if len(rows) > 0 {
			charts[name+".svg"] = r.chart(rows, b.contenders)
		}
	}
	dirs := []string{b.out}
	if b.readme != "" {
		dirs = append(dirs, filepath.Join(filepath.Dir(b.readme), "scripts", "charts"))
		if err := refresh(b.readme, illustrated(table, charts)); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for name, svg := range charts {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
