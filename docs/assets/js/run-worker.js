// Python in a worker of its own: starts Pyodide with NumPy and the project's wheel, then runs cells.
//
// In:  {type: "start", indexURL, wheel}    {type: "run", source, filename}
// Out: {type: "progress", text}            {type: "ready"}
//      {type: "stdout" | "stderr" | "result" | "picture" | "error", text}    {type: "done"}

const evaluate = `
from pyodide.code import eval_code_async

async def evaluate(source, filename, scope={"__name__": "__main__"}):
    value = await eval_code_async(source, scope, filename=filename)
    picture = getattr(value, "_repr_svg_", None)
    if picture is not None:
        return "picture", picture()
    return None if value is None else ("result", repr(value) + "\\n")

evaluate
`;

let python;

const say = (type, text) => postMessage({ type, text });

function stream(type) {
  const decoder = new TextDecoder();
  return {
    write(bytes) {
      say(type, decoder.decode(bytes, { stream: true }));
      return bytes.length;
    },
  };
}

async function start({ indexURL, wheel }) {
  say("progress", "Loading Python, about 7 MB the first time …");
  const { loadPyodide } = await import(`${indexURL}pyodide.mjs`);
  const pyodide = await loadPyodide({ indexURL });
  say("progress", "Loading NumPy …");
  await pyodide.loadPackage("numpy", { messageCallback() {} });
  say("progress", "Installing tinygrad_rnn …");
  const response = await fetch(wheel);
  if (!response.ok) throw new Error(`${wheel} answered ${response.status}`);
  const extractDir = pyodide.runPython("import site; site.getsitepackages()[0]");
  pyodide.unpackArchive(await response.arrayBuffer(), "wheel", { extractDir });
  pyodide.setStdout(stream("stdout"));
  pyodide.setStderr(stream("stderr"));
  python = pyodide.runPython(evaluate);
  postMessage({ type: "ready" });
}

// A traceback starts at the reader's own code, not in the machinery that runs it.
function trim(traceback, filename) {
  const lines = traceback.split("\n");
  const own = lines.findIndex((line) => line.includes(`File "${filename}"`));
  return own < 0 ? traceback : [lines[0], ...lines.slice(own)].join("\n");
}

async function run({ source, filename }) {
  try {
    const shown = await python(source, filename);
    if (shown !== undefined) say(...shown.toJs());
  } catch (error) {
    say("error", trim(error.message, filename));
  }
  postMessage({ type: "done" });
}

onmessage = async ({ data }) => {
  if (data.type === "run") return run(data);
  try {
    await start(data);
  } catch (error) {
    say("error", `Python did not start: ${error.message}\n`);
    postMessage({ type: "done" });
  }
};
