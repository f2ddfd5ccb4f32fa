"""Names classified by a character-level RNN, as in the NLP-from-scratch tutorial; then by an LSTM."""

import random
import string
import unicodedata

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

random.seed(0)
torch.manual_seed(0)
all_letters = string.ascii_letters + " .,;'"
n_letters = len(all_letters)


def unicode_to_ascii(s):
    return "".join(
        c
        for c in unicodedata.normalize("NFD", s)
        if unicodedata.category(c) != "Mn" and c in all_letters
    )


print(unicode_to_ascii("Ślusàrski"))
names = {
    "Czech": ["Novak", "Svoboda", "Dvorak", "Cerny", "Prochazka", "Kucera", "Vesely", "Horak"],
    "Scottish": ["Smith", "Brown", "Wilson", "Campbell", "Stewart", "Thomson", "Robertson", "Reid"],
    "Italian": ["Rossi", "Russo", "Ferrari", "Esposito", "Bianchi", "Romano", "Colombo", "Ricci"],
}
categories = list(names)


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = F.tanh(self.i2h(input) + self.h2h(hidden))
        output = self.softmax(self.h2o(hidden))
        return output, hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(n_letters, 32, len(categories))
criterion = nn.NLLLoss()
learning_rate = 0.005


def category_from_output(output):
    top_n, top_i = output.topk(1)
    return categories[top_i[0].item()]


def train(category_tensor, line_tensor):
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


current = 0
for it in range(1, 301):
    category = random.choice(categories)
    line = random.choice(names[category])
    target = torch.tensor([categories.index(category)], dtype=torch.long)
    output, loss = train(target, line_to_tensor(line))
    current += loss
    if it % 50 == 0:
        print(it, f"{current / 50:.4f}", line, category_from_output(output))
        current = 0


class Tagger(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.embedding = nn.Embedding(n_letters + 1, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, len(categories))

    def forward(self, x, lengths):
        packed = pack_padded_sequence(
            self.embedding(x), lengths, batch_first=True, enforce_sorted=False
        )
        output, (hidden, cell) = self.lstm(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)
        return self.out(torch.cat([hidden[-2], hidden[-1]], dim=1)), output


model = Tagger()
print(model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
pairs = [(name, i) for i, c in enumerate(categories) for name in names[c]]
x = [torch.tensor([all_letters.find(ch) + 1 for ch in name]) for name, _ in pairs]
lengths = torch.tensor([len(t) for t in x])
x = pad_sequence(x, batch_first=True)
y = torch.tensor([i for _, i in pairs])
for step in range(20):
    optimizer.zero_grad()
    logits, output = model(x, lengths)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 4 == 3:
        print(step, loss.item(), norm.item(), tuple(output.shape))
gru = nn.GRU(5, 7)
out, h = gru(torch.randn(4, 2, 5))
print(out.shape, h)
