/* Search in pages that are opened from disk. Browsers refuse workers there, so the script of the
   worker runs in a hidden frame instead. The theme creates its worker with `new Worker(url)`. */

function loadScript(frame, url) {
  return new Promise((resolve, reject) => {
    const script = frame.document.createElement("script");
    script.src = url;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`cannot load ${url}`));
    frame.document.body.append(script);
  });
}

class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.ready = new Promise((resolve) => {
      const element = document.createElement("iframe");
      element.hidden = true;
      element.title = "search";
      element.srcdoc = "<!doctype html><title>search</title><body></body>";
      element.onload = async () => {
        const frame = element.contentWindow;
        frame.postMessage = (data) =>
          this.dispatchEvent(new MessageEvent("message", { data }));
        frame.importScripts = async (...urls) => {
          for (const each of urls) await loadScript(frame, each);
        };
        await loadScript(frame, url);
        resolve(frame);
      };
      document.body.append(element);
    });
  }

  async postMessage(data) {
    const frame = await this.ready;
    frame.dispatchEvent(new frame.MessageEvent("message", { data }));
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
