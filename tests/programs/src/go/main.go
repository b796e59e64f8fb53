// Package main uses what Go's runtime brings along: goroutines and channels, maps, the garbage collector, reflection, panics, files.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"text/template"
	"time"
)

type person struct {
	Name string   `json:"name"`
	Age  int      `json:"age"`
	Tags []string `json:"tags,omitempty"`
}

func primes(limit int) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		source := make(chan int)
		go func() {
			for i := 2; i <= limit; i++ {
				source <- i
			}
			close(source)
		}()
		var in <-chan int = source
		for {
			p, ok := <-in
			if !ok {
				return
			}
			out <- p
			next := make(chan int)
			go func(in <-chan int, p int) {
				for v := range in {
					if v%p != 0 {
						next <- v
					}
				}
				close(next)
			}(in, p)
			in = next
		}
	}()
	return out
}

func recovered() (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	var list []int
	return fmt.Sprint(list[len(os.Args)+5])
}

func main() {
	var found []int
	for p := range primes(200) {
		found = append(found, p)
	}
	fmt.Println(len(found), "primes, the last", found[len(found)-1])

	var group sync.WaitGroup
	var mutex sync.Mutex
	totals := map[int]int{}
	for worker := 0; worker < 50; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 1000; i++ {
				mutex.Lock()
				totals[worker%7] += i
				mutex.Unlock()
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	group.Wait()
	keys := make([]int, 0)
	for k := range totals {
		keys = append(keys, k)
	}
	sort.Ints(keys)
	for _, k := range keys {
		fmt.Print(k, "=", totals[k], " ")
	}
	fmt.Println()

	var people []person
	text := `[{"name":"Ada","age":36,"tags":["math"]},{"name":"Grace","age":85},{"name":"Алан","age":41}]`
	if err := json.Unmarshal([]byte(text), &people); err != nil {
		panic(err)
	}
	sort.Slice(people, func(i, j int) bool { return people[i].Age > people[j].Age })
	again, _ := json.Marshal(people)
	fmt.Println(string(again))
	template.Must(template.New("t").Parse("{{range .}}{{.Name | printf \"%q\"}} {{end}}\n")).Execute(os.Stdout, people)

	fmt.Printf("%x\n", sha256.Sum256([]byte(strings.Repeat("sterna", 10000))))
	factorial := big.NewInt(1)
	for i := int64(2); i <= 60; i++ {
		factorial.Mul(factorial, big.NewInt(i))
	}
	fmt.Println(factorial)
	fmt.Println(regexp.MustCompile(`(\w+)@(\w+)\.org`).ReplaceAllString("ann@example.org, bob@test.org", "$2:$1"))

	garbage := 0
	for i := 0; i < 200; i++ {
		block := make([]byte, 1<<18)
		block[i] = 1
		garbage += len(block)
	}
	runtime.GC()
	fmt.Println("allocated", garbage>>20, "MiB, recovered:", recovered())

	start := time.Now()
	select {
	case <-time.After(20 * time.Millisecond):
		fmt.Println("timer fired, early:", time.Since(start) < 20*time.Millisecond)
	case <-make(chan int):
	}

	if err := os.WriteFile("/data/go.txt", []byte("one\ntwo\nthree\n"), 0o644); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	file, _ := os.Open("/data/go.txt")
	lines := 0
	for scanner := bufio.NewScanner(file); scanner.Scan(); lines++ {
	}
	_, err := os.Stat("/data/none")
	fmt.Println(lines, "lines; missing:", errors.Is(err, fs.ErrNotExist))
	defer fmt.Println("not printed: Exit runs no deferred calls")
	os.Exit(7)
}
