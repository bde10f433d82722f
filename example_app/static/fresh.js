/** Keeps the parts of a page up to date that have data-refresh (milliseconds). */

export function keepFresh() {
  for (const part of document.querySelectorAll('[data-refresh][id]')) {
    setInterval(() => refresh(part), Number(part.dataset.refresh));
  }
}

async function refresh(part) {
  if (document.hidden) return;
  try {
    const response = await fetch(location.href, {headers: {Accept: 'text/html'}});
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const news = page.getElementById(part.id);
    if (news && news.innerHTML !== part.innerHTML) {
      part.replaceChildren(...news.childNodes);
    }
  } catch {
    // The shop is away for a moment; the next round looks again.
  }
}
