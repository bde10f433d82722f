/** Keeps the parts of a page up to date that have data-refresh (milliseconds). */

export function keepFresh() {
  const parts = [...document.querySelectorAll('[data-refresh][id]')];
  if (!parts.length) return;
  const pauses = parts.map((part) => Number(part.dataset.refresh));
  setInterval(() => refresh(parts), Math.min(...pauses));
}

async function refresh(parts) {
  if (document.hidden) return;
  try {
    const response = await fetch(location.href, {headers: {Accept: 'text/html'}});
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    for (const part of parts) {
      const news = page.getElementById(part.id);
      if (news && news.innerHTML !== part.innerHTML) {
        part.replaceChildren(...news.childNodes);
      }
    }
  } catch {
    // The shop is away for a moment; the next round looks again.
  }
}
