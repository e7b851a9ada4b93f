// Copy buttons, where there are scripts. document.execCommand, because the clipboard of today's browsers is for pages that
// came by TLS, which this one does not.
const said = document.querySelector('#said');

function copy(source, button) {
  const selection = getSelection();
  selection.selectAllChildren(source);
  const done = document.execCommand('copy');
  if (done) selection.removeAllRanges();
  said.textContent = done ? 'Copied' : 'Selected; copy it with the keyboard';
  button.textContent = done ? 'Copied' : 'Selected';
  setTimeout(() => {
    button.textContent = 'Copy';
    said.textContent = '';
  }, 2000);
}

function addButton(source, what, place) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', `Copy ${what}`);
  button.addEventListener('click', () => copy(source, button));
  place.append(button);
}

for (const figure of document.querySelectorAll('figure')) {
  const caption = figure.querySelector('figcaption');
  addButton(figure.querySelector('code'), caption.textContent, caption);
}
for (const code of document.querySelectorAll('code.copy')) addButton(code, code.textContent, code.parentElement);
