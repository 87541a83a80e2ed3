// Command oracle answers, one JSON line for each, batches of questions about pods: which node Kubernetes' own matcher
// lets a pod run on, and what a Rego policy says of it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
)

type request struct {
	ID    int             `json:"id"`
	Op    string          `json:"op"`
	Cases json.RawMessage `json:"cases"`
}

type response struct {
	ID      int    `json:"id"`
	Results any    `json:"results,omitempty"`
	Error   string `json:"error,omitempty"`
}

type operation func(ctx context.Context, cases json.RawMessage) (any, error)

func main() {
	policy := flag.String("rego", "", "the Rego policy to ask")
	flag.Parse()
	if err := run(context.Background(), *policy); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, policy string) error {
	engine, err := newEngine(ctx, policy)
	if err != nil {
		return err
	}
	return serve(ctx, map[string]operation{"match": matchAll, "rego": engine.askAll})
}

// serve works on as many batches at a time as there are processors; answers carry the id of their question.
func serve(ctx context.Context, operations map[string]operation) error {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	var writing sync.Mutex
	var failed error
	var working sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		slots <- struct{}{}
		working.Go(func() {
			defer func() { <-slots }()
			answer := handle(ctx, operations, line)
			writing.Lock()
			defer writing.Unlock()
			if err := out.Encode(answer); err != nil {
				failed = err
			}
		})
	}
	working.Wait()
	return failed
}

func handle(ctx context.Context, operations map[string]operation, line []byte) response {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return response{Error: err.Error()}
	}
	operate, known := operations[asked.Op]
	if !known {
		return response{ID: asked.ID, Error: fmt.Sprintf("no operation %q", asked.Op)}
	}
	results, err := operate(ctx, asked.Cases)
	if err != nil {
		return response{ID: asked.ID, Error: err.Error()}
	}
	return response{ID: asked.ID, Results: results}
}
