package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// pageKeys is how many names a page of a listing has.
const pageKeys = 1000

func pages(names int) int { return (names + pageKeys - 1) / pageKeys }

func tree(z sizes) []object {
	var all []object
	for d := range z.Dirs {
		all = append(all, numbered(fmt.Sprintf("d/d%04d/", d), z.PerDir, 100)...)
	}
	return all
}

func listing() []*workload {
	return []*workload{
		{
			name:    "ls-l",
			title:   func(z sizes) string { return fmt.Sprintf("ls -l of %d names", z.Names) },
			objects: func(z sizes) []object { return numbered("d/", z.Names, 100) },
			run:     func(p place) error { return p.count(`ls -l d | grep -c ^-`, p.Sizes.Names) },
			goal:    goal{seconds: most(0.35), requests: func(z sizes) int { return pages(z.Names) + 3 }},
		}, {
			name:    "ls-l-exact",
			title:   func(z sizes) string { return fmt.Sprintf("ls -l of %d names, --attrs=exact", z.Names) },
			objects: func(z sizes) []object { return numbered("d/", z.Names, 100) },
			run:     func(p place) error { return p.count(`ls -l d | grep -c ^-`, p.Sizes.Names) },
			options: []string{"--attrs=exact"},
			only:    []string{ncloudfs},
			goal:    goal{requests: func(z sizes) int { return pages(z.Names) + z.Names + 4 }},
		}, {
			name:    "ls-l-exact-again",
			title:   func(sizes) string { return "the same by the next mount" },
			objects: func(z sizes) []object { return numbered("d/", z.Names, 100) },
			warm:    func(p place) error { return p.count(`ls -l d | grep -c ^-`, p.Sizes.Names) },
			run:     func(p place) error { return p.count(`ls -l d | grep -c ^-`, p.Sizes.Names) },
			remount: true,
			options: []string{"--attrs=exact"},
			only:    []string{ncloudfs},
			goal:    goal{seconds: most(0.35), requests: func(z sizes) int { return pages(z.Names) + 4 }},
		}, {
			name:    "ls-U",
			title:   func(z sizes) string { return fmt.Sprintf("ls -U of %d names", z.Many) },
			objects: func(z sizes) []object { return numbered("d/", z.Many, 100) },
			run:     func(p place) error { return p.count(`ls -U d | wc -l`, p.Sizes.Many) },
			goal:    goal{seconds: most(1.2)},
		}, {
			name:    "ls-U-million",
			title:   func(z sizes) string { return fmt.Sprintf("ls -U of %d names", 10*z.Many) },
			objects: func(z sizes) []object { return numbered("d/", 10*z.Many, 100) },
			run:     func(p place) error { return p.count(`ls -U d | wc -l`, 10*p.Sizes.Many) },
			only:    []string{ncloudfs},
			goal:    goal{seconds: most(12), memory: 1_000_000 * 1024},
		}, {
			name:    "find",
			title:   func(z sizes) string { return fmt.Sprintf("find over %d directories of %d", z.Dirs, z.PerDir) },
			objects: tree,
			run:     func(p place) error { return p.count(`find d -type f | wc -l`, p.Sizes.Dirs*p.Sizes.PerDir) },
			goal:    goal{seconds: most(0.5), requests: func(z sizes) int { return pages(z.Dirs*z.PerDir) + 5 }},
		}, {
			name:    "stat",
			title:   func(z sizes) string { return fmt.Sprintf("stat of %d names in %[1]d directories", z.Dirs) },
			objects: tree,
			run: func(p place) error {
				for d := range p.Sizes.Dirs {
					name := fmt.Sprintf("d/d%04d/f%07d", d, d%p.Sizes.PerDir)
					if _, err := os.Stat(filepath.Join(p.Dir, name)); err != nil {
						return err
					}
				}
				return nil
			},
			goal: goal{seconds: most(0.9)},
		},
	}
}
